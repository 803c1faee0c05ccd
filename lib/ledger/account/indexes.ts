import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import {
  changedSet,
  entriesFrom,
  firstEntry,
  setOf,
  type ByteSet,
  type SetChange,
} from './byte-set.ts';
import { dueMsOf, type AnyRecord, type Records } from './records/kinds.ts';
import { HOLD_OPEN } from './records/records.ts';

/** What is found by order and not by key. Made from the records, and so part of no root. */
export interface Indexes {
  /** u64 instant, 32 bytes key: what the sweep settles, the earliest first. */
  readonly due: ByteSet;
  /** Ids of open holds, by the gateway's key in hex: operators register few. */
  readonly openHolds: ReadonlyMap<string, ByteSet>;
}

export const NO_INDEXES: Indexes = { due: null, openHolds: new Map() };

const TIME_BYTES = 8;
const DUE_BYTES = TIME_BYTES + 32;
const HOLD_ID_BYTES = 16;

/** What became of the record under a key; null: there was, or is, none. */
export interface RecordChange {
  readonly key: Uint8Array;
  readonly before: AnyRecord | null;
  readonly now: AnyRecord | null;
}

/** The indexes once records are what they are now. @param changes of different keys. */
export function reindexed(indexes: Indexes, changes: readonly RecordChange[]): Indexes {
  const due: SetChange[] = [];
  const holds = new Map<string, SetChange[]>();
  for (const { key, before, now } of changes) {
    const [beforeMs, nowMs] = [dueMsIn(before), dueMsIn(now)];
    if (beforeMs !== nowMs) {
      if (beforeMs !== null) due.push({ entry: dueEntry(beforeMs, key), isIn: false });
      if (nowMs !== null) due.push({ entry: dueEntry(nowMs, key), isIn: true });
    }
    changeHolds(holds, openHoldOf(before), openHoldOf(now));
  }
  return {
    due: changedSet(indexes.due, due),
    openHolds: holds.size === 0 ? indexes.openHolds : withHolds(indexes.openHolds, holds),
  };
}

/** What some records of a state are to its indexes. */
export interface IndexPart {
  /** Entries of `Indexes.due`, in the order of the records, one after the other. */
  readonly due: Uint8Array;
  readonly openHolds: readonly Records['hold'][];
}

/** An index part, record by record. */
export class IndexPartBuilder {
  readonly #due: Uint8Array[] = [];
  readonly #openHolds: Records['hold'][] = [];

  add(key: Uint8Array, entry: AnyRecord): void {
    const dueMs = dueMsIn(entry);
    if (dueMs !== null) this.#due.push(dueEntry(dueMs, key));
    const hold = openHoldOf(entry);
    if (hold !== null) this.#openHolds.push(hold);
  }

  done(): IndexPart {
    return { due: concatBytes(this.#due), openHolds: this.#openHolds };
  }
}

/** The indexes of a whole state from its parts, in any order; no record is in two of them. */
export function joinIndexes(parts: readonly IndexPart[]): Indexes {
  const ids = new Map<string, Uint8Array[]>();
  for (const { gateway, id } of parts.flatMap(({ openHolds }) => openHolds)) {
    const name = toHex(gateway);
    const known = ids.get(name) ?? [];
    if (known.push(id) === 1) ids.set(name, known);
  }
  return {
    due: setOf(concatBytes(parts.map(({ due }) => due)), DUE_BYTES, TIME_BYTES),
    openHolds: new Map(
      [...ids].map(([name, all]) => [name, setOf(concatBytes(all), HOLD_ID_BYTES)]),
    ),
  };
}

type OpenHolds = Indexes['openHolds'];

const openHoldOf = (entry: AnyRecord | null): Records['hold'] | null =>
  entry?.kind === 'hold' && entry.record.status === HOLD_OPEN ? entry.record : null;

function changeHolds(
  all: Map<string, SetChange[]>,
  before: Records['hold'] | null,
  now: Records['hold'] | null,
): void {
  if (before !== null && now !== null && bytesEqual(before.gateway, now.gateway)) return;
  for (const hold of [before, now]) {
    if (hold === null) continue;
    const name = toHex(hold.gateway);
    const changes = all.get(name) ?? [];
    if (changes.push({ entry: hold.id, isIn: hold === now }) === 1) all.set(name, changes);
  }
}

function withHolds(all: OpenHolds, changes: ReadonlyMap<string, readonly SetChange[]>): OpenHolds {
  const after = new Map(all);
  for (const [name, each] of changes) {
    const set = changedSet(all.get(name) ?? null, each);
    if (set === null) after.delete(name);
    else after.set(name, set);
  }
  return after;
}

const dueMsIn = (entry: AnyRecord | null): bigint | null =>
  entry === null ? null : dueMsOf(entry.kind, entry.record as never);

function dueEntry(timeMs: bigint, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(TIME_BYTES + key.length);
  new DataView(bytes.buffer).setBigUint64(0, timeMs);
  bytes.set(key, TIME_BYTES);
  return bytes;
}

const timeOf = (entry: Uint8Array): bigint =>
  new DataView(entry.buffer, entry.byteOffset).getBigUint64(0);

const FIRST = new Uint8Array(0);

/** Keys of the records that are due at `nowMs`, the earliest first, no more than `most`. */
export function dueKeys({ due }: Indexes, nowMs: bigint, most: number): Uint8Array[] {
  const keys: Uint8Array[] = [];
  const first = firstEntry(due);
  // Mostly nothing is due, and that is asked of every block.
  if (first === null || timeOf(first) > nowMs) return keys;
  for (const entry of entriesFrom(due, FIRST)) {
    if (timeOf(entry) > nowMs || keys.length === most) break;
    keys.push(entry.subarray(TIME_BYTES));
  }
  return keys;
}

/** When the earliest record falls due; null: none ever does. */
export function nextDueMs({ due }: Indexes): bigint | null {
  const first = firstEntry(due);
  return first === null ? null : timeOf(first);
}

/** Ids of a gateway's open holds after `after` (null: from the first), no more than `most`. */
export function openHoldIds(
  { openHolds }: Indexes,
  page: { readonly gateway: Uint8Array; readonly after: Uint8Array | null },
  most: number,
): Uint8Array[] {
  const { gateway, after } = page;
  const ids: Uint8Array[] = [];
  for (const id of entriesFrom(openHolds.get(toHex(gateway)) ?? null, after ?? FIRST)) {
    if (ids.length === most) break;
    if (after === null || !bytesEqual(id, after)) ids.push(id);
  }
  return ids;
}
