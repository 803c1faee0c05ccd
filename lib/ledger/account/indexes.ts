import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { entriesFrom, setOf, withEntry, withoutEntry, type ByteSet } from './byte-set.ts';
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

/** The indexes once the record under `key` is what it is now; null: there is none. */
export function reindexed(
  indexes: Indexes,
  key: Uint8Array,
  change: { readonly before: AnyRecord | null; readonly now: AnyRecord | null },
): Indexes {
  const { before, now } = change;
  return {
    due: replaced(indexes.due, dueEntry(before, key), dueEntry(now, key)),
    openHolds: withHold(withHold(indexes.openHolds, before, withoutEntry), now, withEntry),
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
    const due = dueEntry(entry, key);
    if (due !== null) this.#due.push(due);
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

/** Puts an open hold in or takes it out; what is no open hold is in no list. */
function withHold(
  all: OpenHolds,
  entry: AnyRecord | null,
  change: (set: ByteSet, id: Uint8Array) => ByteSet,
): OpenHolds {
  const hold = openHoldOf(entry);
  if (hold === null) return all;
  const { gateway, id } = hold;
  const name = toHex(gateway);
  const set = change(all.get(name) ?? null, id);
  const others = [...all].filter(([each]) => each !== name);
  return new Map(set === null ? others : [...others, [name, set]]);
}

function replaced(set: ByteSet, before: Uint8Array | null, now: Uint8Array | null): ByteSet {
  if (before === now || (before && now && bytesEqual(before, now))) return set;
  const without = before === null ? set : withoutEntry(set, before);
  return now === null ? without : withEntry(without, now);
}

function dueEntry(entry: AnyRecord | null, key: Uint8Array): Uint8Array | null {
  const timeMs = entry === null ? null : dueMsOf(entry.kind, entry.record as never);
  if (timeMs === null) return null;
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
  for (const entry of entriesFrom(due, FIRST)) {
    if (timeOf(entry) > nowMs || keys.length === most) break;
    keys.push(entry.subarray(TIME_BYTES));
  }
  return keys;
}

/** When the earliest record falls due; null: none ever does. */
export function nextDueMs({ due }: Indexes): bigint | null {
  const first = entriesFrom(due, FIRST).next();
  return first.done === true ? null : timeOf(first.value);
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
