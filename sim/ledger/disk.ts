import { concatBytes } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { partBytes } from '#lib/ledger/pbft/state-parts.ts';
import type { Application, Effect, Image, LogHead } from '#lib/ledger/pbft/types.ts';

type Written = Extract<Effect, { type: 'persist' | 'stable' }>;
type Stable = Extract<Effect, { type: 'stable' }>;
type StableState = Stable['state'];

const EMPTY_HEAD: LogHead = { count: 0, chainHash: ZERO_HASH, epoch: 0, view: 0 };

/**
 * A disk that forgets what was not synced, and prunes as the core allows. A group commit syncs the log
 * and then its head; a crash between the two leaves whole records past the head, or a torn one.
 */
export class Disk {
  records: { readonly id: number; readonly bytes: Uint8Array }[] = [];
  head: LogHead | null = EMPTY_HEAD;
  private pruned = { count: 0, chainHash: ZERO_HASH };
  private state: StableState | null = null;
  private waiting: Written[] = [];
  /** A state to which the log leads is written beside it: it is there at the disk's next turn. */
  private late: Stable | null = null;
  private readonly application: Pick<Application, 'parts'>;
  /** Writes each state; else as few as the log allows. */
  private readonly isEager: boolean;

  constructor(application: Pick<Application, 'parts'>, isEager = false) {
    this.application = application;
    this.isEager = isEager;
  }

  write(effect: Written): void {
    this.waiting.push(effect);
  }

  get unsynced(): number {
    return this.waiting.length;
  }

  /**
   * The first `count` that wait are on disk, and the head says so: what came while the disk was at work
   * waits for its next turn. @returns the id that is `stored`; 0: none.
   */
  sync(count = this.waiting.length): number {
    let last = 0;
    this.keepLate();
    // No store has a record on disk, below the head, that speaks of a state which is not (its B7).
    let end = count;
    while (this.waiting[end]?.type === 'stable') end += 1;
    for (const effect of this.waiting.splice(0, end)) {
      if (effect.type === 'persist') last = this.append(effect);
      else this.keepSoon(effect);
    }
    return last;
  }

  /** One state at a time. */
  private keepSoon(stable: Stable): void {
    this.keepLate();
    const before = this.state?.header.sequence ?? -Infinity;
    if (!stable.leadsHere) this.keep(stable);
    else if (this.isEager || stable.state.header.sequence - before >= stable.dueAfter)
      this.late = stable;
  }

  private keepLate(): void {
    if (this.late !== null) this.keep(this.late);
    this.late = null;
  }

  /** The log is on disk and its head is not: power fails. The last record may be torn. */
  syncLogOnly(count: number, isTorn: boolean): void {
    const { head } = this;
    for (const effect of this.waiting.splice(0, count))
      if (effect.type === 'persist') this.append(effect);
    this.head = head;
    const last = this.records.at(-1);
    if (isTorn && last && last.id > (head?.count ?? 0)) {
      this.records.splice(-1, 1, {
        ...last,
        bytes: last.bytes.subarray(0, last.bytes.length >> 1),
      });
    }
  }

  private append({ id, record, epoch, view }: Extract<Written, { type: 'persist' }>): number {
    // Ids go on after the last whole record: a torn one is overwritten.
    while ((this.records.at(-1)?.id ?? 0) >= id) this.records.pop();
    this.records.push({ id, bytes: record });
    const before = this.head ?? EMPTY_HEAD;
    // Whole records past the head count: the chain goes over them, too.
    const chainHash = before.count === id - 1 ? before.chainHash : this.chainTo(id - 1);
    this.head = {
      count: id,
      chainHash: nodeSha256(concatBytes([chainHash, record])),
      epoch: Math.max(before.epoch, epoch),
      view: epoch > before.epoch ? view : Math.max(before.view, view),
    };
    return id;
  }

  private chainTo(id: number): Uint8Array {
    let hash = this.pruned.chainHash;
    for (const each of this.records)
      if (each.id <= id) hash = nodeSha256(concatBytes([hash, each.bytes]));
    return hash;
  }

  private keep({ state, recordId }: Stable): void {
    this.state = state;
    for (let first = this.records[0]; first && first.id < recordId; first = this.records[0]) {
      this.records.shift();
      const chainHash = nodeSha256(concatBytes([this.pruned.chainHash, first.bytes]));
      this.pruned = { count: first.id, chainHash };
    }
  }

  /** The highest id among the first `count` that wait; 0: none. */
  waitingId(count: number): number {
    const ids = this.waiting.slice(0, count).flatMap((each) => ('id' in each ? each.id : []));
    return ids.at(-1) ?? 0;
  }

  /** How often power failed: what was under way before is not any more. */
  lives = 0;

  crash(): void {
    this.waiting = [];
    this.late = null;
    this.lives += 1;
  }

  image(): Image {
    const { state, pruned, head } = this;
    const records = this.records.map(({ bytes }) => bytes);
    if (state === null) return { state: null, pruned, head, records };
    const { app, ...rest } = state;
    const snapshot = partBytes(this.application.parts(app));
    return { state: { ...rest, snapshot }, pruned, head, records };
  }

  /** Loses its last record, its head not. False: there is none to lose. */
  loseLast(): boolean {
    return (this.records.at(-1)?.id ?? 0) === this.head?.count && this.records.pop() !== undefined;
  }

  /** One bit of a record below the head is another. */
  flip(place: number): boolean {
    const below = this.records.filter(({ id }) => id <= (this.head?.count ?? 0));
    const record = below[Math.floor(place * below.length)];
    if (!record) return false;
    const bytes = Uint8Array.from(record.bytes);
    bytes[Math.floor(place * 7919) % bytes.length]! ^= 1 << (Math.floor(place * 104_729) % 8);
    this.records[this.records.indexOf(record)] = { id: record.id, bytes };
    return true;
  }

  /** Nothing is left, not even that there was something. */
  wipe(): void {
    this.records = [];
    this.head = null;
    this.pruned = { count: 0, chainHash: ZERO_HASH };
    this.state = null;
  }
}
