import { concatBytes } from '#lib/kernel/bytes.ts';
import { RESULT_CODES, resultByte, type ResultCode } from './codes.ts';
import {
  GATEWAY_NONCES_KEPT,
  NONCE_PAGE_MAX,
  NONCES_KEPT,
  NONCES_MOVED,
  NONCES_RECENT_MAX,
} from './limits.ts';
import type { NoncePage, Nonces } from './records/records.ts';

/**
 * Executed nonces of one key. The highest, at most NONCES_RECENT_MAX, lie in the key's own record, so
 * that a transaction mostly writes that one; those below them in pages, of which it names the lowest
 * nonce each. Entries are packed, ascending: u64 nonce, u64 sequence, u8 code, 8 bytes of the
 * transaction's id.
 */
const ENTRY_BYTES = 25;
const ID_BYTES = 8;

/** A key's record, and its pages by the nonce that each begins at: the record names them all. */
export interface NonceTable {
  readonly head: Nonces;
  readonly page: (from: bigint) => Uint8Array;
}

export interface Executed {
  readonly sequence: bigint;
  readonly code: ResultCode;
}

export type NonceVerdict =
  | { readonly type: 'fresh' }
  /** Executed before, by the transaction with this id. */
  | { readonly type: 'executed'; readonly first: Executed }
  /** Executed before, by another transaction. */
  | { readonly type: 'used' }
  | { readonly type: 'too-old' };

export const noNonces = (publicKey: Uint8Array): Nonces => ({
  publicKey,
  acted: 0,
  keepUntilMs: 0n,
  count: 0,
  floor: 0n,
  pages: [],
  recent: new Uint8Array(0),
});

/** How many nonces a key's table holds. Whose key it is matters, and is asked, only where there are many. */
export const keptOf = ({ count }: Nonces, isGateway: () => boolean): number =>
  count >= NONCES_KEPT && isGateway() ? GATEWAY_NONCES_KEPT : NONCES_KEPT;

/** @param kept how many nonces this key's table holds: below the lowest of a full table nobody knows. */
export function judgeNonce(
  table: NonceTable,
  transaction: { readonly nonce: bigint; readonly id: Uint8Array },
  kept: number,
): NonceVerdict {
  const { head } = table;
  const { nonce, id } = transaction;
  if (nonce < head.floor) return { type: 'too-old' };
  const holder = holderOf(head, nonce);
  const packed = holder === null ? head.recent : table.page(holder);
  const at = placeOf(packed, nonce) * ENTRY_BYTES;
  if (at < packed.length && nonceAt(packed, at) === nonce) {
    return isOf(packed, at, id)
      ? { type: 'executed', first: executedAt(packed, at) }
      : { type: 'used' };
  }
  const isFull = head.count >= kept;
  return isFull && nonce < lowestOf(table) ? { type: 'too-old' } : { type: 'fresh' };
}

/** What a transaction changes of its key's table. */
export interface NonceChange {
  readonly head: Nonces;
  /** Pages that are new or another now, and those that are gone. */
  readonly pages: readonly (NoncePage | { readonly from: bigint; readonly packed: null })[];
}

/** The table with a fresh nonce more, and no more than `kept` of the highest. */
export function withNonce(
  { head, page }: NonceTable,
  entry: { readonly nonce: bigint; readonly id: Uint8Array; readonly executed: Executed },
  kept: number,
): NonceChange {
  const change = new Change(head, page);
  change.insert(entry.nonce, entryBytes(entry));
  change.keep(kept);
  return change.done();
}

/** What one packed list, recent nonces or a page, says of the transaction with this id; null: nothing. */
export function outcomeIn(packed: Uint8Array, id: Uint8Array): Executed | null {
  for (let at = 0; at + ENTRY_BYTES <= packed.length; at += ENTRY_BYTES) {
    if (isOf(packed, at, id)) return executedAt(packed, at);
  }
  return null;
}

class Change {
  #head: Nonces;
  readonly #page: (from: bigint) => Uint8Array;
  readonly #changed = new Map<bigint, Uint8Array | null>();

  constructor(head: Nonces, page: (from: bigint) => Uint8Array) {
    this.#head = head;
    this.#page = page;
  }

  insert(nonce: bigint, entry: Uint8Array): void {
    const head = this.#head;
    this.#head = { ...head, count: head.count + 1 };
    const from = holderOf(head, nonce);
    if (from === null) this.#insertRecent(inserted(head.recent, nonce, entry));
    else this.#insertPaged(from, nonce, entry);
  }

  /** Too many recent ones: the lowest go to the last page, which comes before them all, or begin the next. */
  #insertRecent(recent: Uint8Array): void {
    if (recent.length <= NONCES_RECENT_MAX * ENTRY_BYTES) {
      this.#head = { ...this.#head, recent };
      return;
    }
    const moved = recent.subarray(0, NONCES_MOVED * ENTRY_BYTES);
    this.#head = { ...this.#head, recent: recent.subarray(moved.length) };
    const last = this.#head.pages.at(-1);
    const before = last === undefined ? new Uint8Array(0) : this.#read(last);
    const isRoom = before.length + moved.length <= NONCE_PAGE_MAX * ENTRY_BYTES;
    if (last !== undefined && isRoom) this.#changed.set(last, concatBytes([before, moved]));
    else this.#add(nonceAt(moved, 0), moved);
  }

  /** A page that is full parts in two; one that a lower nonce comes to begins there from now on. */
  #insertPaged(from: bigint, nonce: bigint, entry: Uint8Array): void {
    const packed = inserted(this.#read(from), nonce, entry);
    const start = nonce < from ? nonce : from;
    if (start !== from) this.#remove(from);
    const isWhole = packed.length <= NONCE_PAGE_MAX * ENTRY_BYTES;
    const cut = isWhole ? packed.length : (NONCE_PAGE_MAX >> 1) * ENTRY_BYTES;
    this.#add(start, packed.subarray(0, cut));
    if (!isWhole) this.#add(nonceAt(packed, cut), packed.subarray(cut));
  }

  /** Drops the lowest: what lies below the floor counts no more. */
  keep(kept: number): void {
    while (this.#head.count > kept) {
      const { pages, count } = this.#head;
      const [first] = pages;
      // Recent ones are fewer than any table keeps (limits.ts).
      if (first === undefined) return;
      const packed = this.#read(first);
      const floor = nonceAt(packed, 0) + 1n;
      this.#head = { ...this.#head, floor, count: count - 1 };
      if (packed.length === ENTRY_BYTES) this.#remove(first);
    }
  }

  done(): NonceChange {
    const { publicKey } = this.#head;
    const pages = [...this.#changed].map(([from, packed]) => ({ publicKey, from, packed }));
    return { head: this.#head, pages: pages };
  }

  /** What counts of a page: the rest goes when it is written again. */
  #read(from: bigint): Uint8Array {
    const packed = this.#changed.get(from) ?? this.#page(from);
    return packed.subarray(placeOf(packed, this.#head.floor) * ENTRY_BYTES);
  }

  #add(from: bigint, packed: Uint8Array): void {
    this.#changed.set(from, packed);
    const { pages } = this.#head;
    if (pages.includes(from)) return;
    const sorted = [...pages, from].sort((a, b) => (a < b ? -1 : 1));
    this.#head = { ...this.#head, pages: sorted };
  }

  #remove(from: bigint): void {
    this.#changed.set(from, null);
    this.#head = { ...this.#head, pages: this.#head.pages.filter((each) => each !== from) };
  }
}

/** The page that a nonce belongs to, by where it begins; null: the recent ones. */
function holderOf({ pages, recent }: Nonces, nonce: bigint): bigint | null {
  if (pages.length === 0 || nonce >= nonceAt(recent, 0)) return null;
  return pages.findLast((from) => from <= nonce) ?? pages[0] ?? null;
}

/** The lowest nonce that counts, of a table that is not empty. */
function lowestOf({ head, page }: NonceTable): bigint {
  const [first] = head.pages;
  if (first === undefined) return nonceAt(head.recent, 0);
  const packed = page(first);
  return nonceAt(packed, placeOf(packed, head.floor) * ENTRY_BYTES);
}

const view = (packed: Uint8Array): DataView =>
  new DataView(packed.buffer, packed.byteOffset, packed.byteLength);

const nonceAt = (packed: Uint8Array, at: number): bigint => view(packed).getBigUint64(at);

/** Index of the first entry whose nonce is not below `nonce`. */
function placeOf(packed: Uint8Array, nonce: bigint): number {
  const entries = view(packed);
  let [low, high] = [0, packed.length / ENTRY_BYTES];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries.getBigUint64(middle * ENTRY_BYTES) < nonce) low = middle + 1;
    else high = middle;
  }
  return low;
}

const executedAt = (packed: Uint8Array, at: number): Executed => ({
  sequence: view(packed).getBigUint64(at + 8),
  code: RESULT_CODES[packed[at + 16] ?? 0] ?? 'ok',
});

function isOf(packed: Uint8Array, at: number, id: Uint8Array): boolean {
  for (let i = 0; i < ID_BYTES; i += 1) if (packed[at + 17 + i] !== id[i]) return false;
  return true;
}

function inserted(packed: Uint8Array, nonce: bigint, entry: Uint8Array): Uint8Array {
  const at = placeOf(packed, nonce) * ENTRY_BYTES;
  return concatBytes([packed.subarray(0, at), entry, packed.subarray(at)]);
}

function entryBytes({
  nonce,
  id,
  executed,
}: {
  readonly nonce: bigint;
  readonly id: Uint8Array;
  readonly executed: Executed;
}): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  const place = view(bytes);
  place.setBigUint64(0, nonce);
  place.setBigUint64(8, executed.sequence);
  place.setUint8(16, resultByte(executed.code));
  bytes.set(id.subarray(0, ID_BYTES), 17);
  return bytes;
}
