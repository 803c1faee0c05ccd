import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { ZERO_HASH, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { LogHead } from '#lib/ledger/pbft/types.ts';
import type { Disk } from './disk.ts';
import { HEAD_BYTES, decodeHead, encodeHead, type HeadSlot } from './head-layout.ts';
import { STORE } from './limits.ts';
import {
  encodeSegmentHeader,
  isOf,
  readLog,
  type LogOwner,
  type LogReading,
} from './log-layout.ts';

/** Two files, so that no one damage takes both slots. */
export const HEAD_NAMES = ['wal.head.0', 'wal.head.1'] as const;
/** Says that this key signs never again, and why. */
export const AMNESIA_NAME = 'amnesia';

export const SEGMENT_NAME = /^wal\.(\d{8})$/;
export const segmentName = (index: number): string => `wal.${String(index).padStart(8, '0')}`;

export const NO_RECORDS: LogHead = { count: 0, chainHash: ZERO_HASH, epoch: 0, view: 0 };

/**
 * The log of a key that has signed nothing. Only who makes the key may call this: a replica that finds
 * none lost it.
 */
export async function createLog(
  disk: Disk,
  owner: LogOwner,
  segmentBytes: number = STORE.segmentBytes,
): Promise<void> {
  if ((await disk.list()).length > 0) {
    throw new FaultError('ledger/damaged', 'a log is here already: it is never made anew');
  }
  await disk.create(segmentName(1), firstSegment(owner, segmentBytes));
  for (const [i, name] of HEAD_NAMES.entries()) {
    await disk.create(name, encodeHead({ ...owner, ...NO_RECORDS, counter: i + 1 }));
  }
}

export type SegmentStart = Parameters<typeof encodeSegmentHeader>[0];

/** Zeros up to its length: records overwrite, which leaves the file's length and blocks as they are. */
export function newSegment(header: SegmentStart, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(encodeSegmentHeader(header));
  return bytes;
}

export const firstSegment = (owner: LogOwner, segmentBytes: number): Uint8Array =>
  newSegment({ ...owner, ...NO_RECORDS, index: 1 }, segmentBytes);

export interface LogFiles {
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly log: LogReading;
  /** As `HEAD_NAMES`; null: missing or damaged. */
  readonly slots: readonly (HeadSlot | null)[];
  /** Why this key signs never again; null: it may. */
  readonly amnesia: string | null;
}

/** Where one key's log is. */
export interface LogDoor {
  readonly disk: Disk;
  readonly owner: LogOwner;
  readonly sha256: Sha256;
  readonly segmentBytes?: number;
}

/** @throws FaultError `ledger/other-chain` where a whole part of it says that it is another's. */
export async function readLogFiles({ disk, owner, sha256 }: LogDoor): Promise<LogFiles> {
  const names = consecutive((await disk.list()).filter((name) => SEGMENT_NAME.test(name)));
  const segments: Uint8Array[] = [];
  for (const name of names) segments.push((await disk.read(name)) ?? new Uint8Array(0));
  const log = readLog(segments, owner, sha256);
  const heads = await Promise.all(HEAD_NAMES.map((name) => disk.read(name)));
  const slots = heads.map((bytes) =>
    bytes === null ? null : decodeHead(bytes.subarray(0, HEAD_BYTES)),
  );
  const foreign = log.foreign ?? slots.find((slot) => slot !== null && !isOf(slot, owner)) ?? null;
  if (foreign !== null) {
    throw new FaultError(
      'ledger/other-chain',
      'the log in this folder is of another chain or another vote key: choose the folder, the genesis and the keys that belong together',
    );
  }
  const mark = await disk.read(AMNESIA_NAME);
  return {
    ...{ names, sizes: segments.map(({ length }) => length), log, slots },
    amnesia: mark === null ? null : new TextDecoder().decode(mark),
  };
}

/** The newest run without a gap: what is before one belongs to nothing any more. */
function consecutive(names: readonly string[]): string[] {
  const run: string[] = [];
  for (const name of [...names].reverse()) {
    const [first] = run;
    if (first !== undefined && indexOf(first) !== indexOf(name) + 1) break;
    if (run.length >= STORE.segmentsMax) break;
    run.unshift(name);
  }
  return run;
}

const indexOf = (name: string): number => Number(SEGMENT_NAME.exec(name)?.[1] ?? 0);

export const markAmnesia = (disk: Disk, why: string): Promise<void> =>
  disk.create(AMNESIA_NAME, utf8(why));
