import { must } from '#lib/kernel/assert.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import type { LogHead } from '#lib/ledger/pbft/types.ts';
import type { Disk, DiskFile } from './disk.ts';
import { encodeHead, newest, type HeadSlot } from './head-layout.ts';
import { STORE } from './limits.ts';
import {
  HEAD_NAMES,
  NO_RECORDS,
  SEGMENT_NAME,
  firstSegment,
  newSegment,
  segmentName,
  type LogDoor,
  type LogFiles,
} from './log-files.ts';
import {
  SEGMENT_HEADER_BYTES,
  chainAfter,
  decodeSegmentHeader,
  encodeFrame,
  type LogPlace,
} from './log-layout.ts';

export interface LogEntry {
  readonly record: Uint8Array;
  /** The (epoch, view) that the record was written in. */
  readonly epoch: number;
  readonly view: number;
}

interface Segment {
  readonly index: number;
  readonly name: string;
  /** Records before its first. */
  readonly count: number;
}

/** Appends to a log that was judged whole. One call at a time. */
export class LogWriter {
  readonly #door: LogDoor;
  readonly #heads: readonly DiskFile[];
  #segments: Segment[];
  #file: DiskFile;
  #fileBytes: number;
  #offset: number;
  #place: LogPlace;
  #head: HeadSlot;
  /** Bytes that stand before `#offset` in no file yet. */
  #waiting: Uint8Array[] = [];

  private constructor(
    door: LogDoor,
    at: {
      readonly heads: readonly DiskFile[];
      readonly segments: Segment[];
      readonly file: DiskFile;
      readonly fileBytes: number;
      readonly offset: number;
      readonly place: LogPlace;
      readonly head: HeadSlot;
    },
  ) {
    this.#door = door;
    this.#heads = at.heads;
    this.#segments = at.segments;
    this.#file = at.file;
    this.#fileBytes = at.fileBytes;
    this.#offset = at.offset;
    this.#place = at.place;
    this.#head = at.head;
  }

  /**
   * Drops what is past the end, makes sure of what is before it, and heals the head: whole records past
   * the head count from now on as if they had been written with it.
   */
  static async open(door: LogDoor, files: LogFiles): Promise<LogWriter> {
    const { disk, owner, segmentBytes = STORE.segmentBytes } = door;
    const { log, names } = files;
    const head = must(newest(files.slots), 'a whole log has a head');
    // Nothing was ever written: a segment that is damaged so early is made again.
    if (log.start === null) await disk.create(segmentName(1), firstSegment(owner, segmentBytes));
    const kept = log.start === null ? [segmentName(1)] : names.slice(0, log.end.segment + 1);
    for (const name of await disk.list()) {
      if (SEGMENT_NAME.test(name) && !kept.includes(name)) await disk.remove(name);
    }
    const place = log.records.at(-1)?.after ?? log.start ?? NO_RECORDS;
    const segments = await Promise.all(kept.map((name) => segmentOf(disk, name)));
    const name = must(kept.at(-1), 'a log has a segment');
    const file = await disk.open(name);
    const fileBytes = Math.max(segmentBytes, files.sizes[kept.length - 1] ?? 0);
    const { offset } = log.end;
    if (!log.isTailClean) await file.write(new Uint8Array(fileBytes - offset), offset);
    const heads = await Promise.all(HEAD_NAMES.map((each) => openHead(disk, each)));
    const writer = new LogWriter(door, {
      ...{ heads, segments, file, fileBytes, offset, place },
      head: { ...owner, ...head },
    });
    await writer.#syncAll(kept.slice(0, -1));
    // Both slots: each is as new as the other can be, whichever was lost.
    await writer.#writeHead(head);
    await writer.#writeHead(head);
    return writer;
  }

  get count(): number {
    return this.#place.count;
  }

  /** On disk, head and all, when it resolves; where it rejects nothing more may be appended or sent. */
  async append(entries: readonly LogEntry[]): Promise<void> {
    let { epoch, view } = this.#head;
    for (const entry of entries) {
      await this.#put(entry.record);
      if (entry.epoch > epoch || (entry.epoch === epoch && entry.view > view)) {
        ({ epoch, view } = entry);
      }
    }
    await this.#flush();
    await this.#writeHead({ epoch, view });
  }

  /** Removes segments that hold only records before `recordId`. */
  async prune(recordId: number): Promise<void> {
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined || second.count >= recordId) return;
      await this.#door.disk.remove(first.name);
      this.#segments = this.#segments.slice(1);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#file, ...this.#heads].map((file) => file.close()));
  }

  async #put(record: Uint8Array): Promise<void> {
    const frame = encodeFrame(record, this.#place.chainHash);
    if (this.#offset + frame.length > this.#fileBytes) await this.#nextSegment(frame.length);
    this.#waiting.push(frame);
    this.#offset += frame.length;
    const chainHash = chainAfter(this.#place.chainHash, record, this.#door.sha256);
    this.#place = { count: this.#place.count + 1, chainHash };
  }

  async #flush(): Promise<void> {
    const bytes = concatBytes(this.#waiting);
    this.#waiting = [];
    await this.#file.write(bytes, this.#offset - bytes.length);
    await this.#file.sync();
  }

  async #nextSegment(frameBytes: number): Promise<void> {
    await this.#flush();
    await this.#file.close();
    const index = must(this.#segments.at(-1), 'a log has a segment').index + 1;
    const name = segmentName(index);
    const { owner, disk, segmentBytes = STORE.segmentBytes } = this.#door;
    const length = Math.max(segmentBytes, SEGMENT_HEADER_BYTES + frameBytes);
    const bytes = newSegment({ ...owner, ...this.#place, index }, length);
    await disk.create(name, bytes);
    this.#file = await disk.open(name);
    this.#fileBytes = bytes.length;
    this.#offset = SEGMENT_HEADER_BYTES;
    this.#segments = [...this.#segments, { index, name, count: this.#place.count }];
  }

  async #writeHead({ epoch, view }: Pick<LogHead, 'epoch' | 'view'>): Promise<void> {
    const counter = this.#head.counter + 1;
    const head = { ...this.#door.owner, ...this.#place, epoch, view, counter };
    const file = must(this.#heads[(counter + 1) % HEAD_NAMES.length], 'a head has two slots');
    await file.write(encodeHead(head), 0);
    await file.sync();
    this.#head = head;
  }

  /** A process that was killed may have left bytes that no disk has yet. */
  async #syncAll(names: readonly string[]): Promise<void> {
    await this.#file.sync();
    for (const name of names) {
      const file = await this.#door.disk.open(name);
      await file.sync();
      await file.close();
    }
  }
}

async function segmentOf(disk: Disk, name: string): Promise<Segment> {
  const header = decodeSegmentHeader((await disk.read(name)) ?? new Uint8Array(0));
  const { index, count } = must(header, 'the segment of a whole log has a header');
  return { index, name, count };
}

/** A slot that is lost is made again; its first bytes come from `#writeHead`. */
async function openHead(disk: Disk, name: string): Promise<DiskFile> {
  if ((await disk.read(name)) === null) await disk.create(name, new Uint8Array(0));
  return disk.open(name);
}
