import { compareBytes } from '#lib/ledger/crypto/sha256.ts';

/**
 * A persistent set of byte strings of one length, in their order. So many as a page holds lie packed in
 * one array, for an object each would take five times its bytes; more part by the first bit that they do
 * not share. The same entries give the same nodes, whatever their past. Nothing in it is hashed.
 */
export type ByteSet = { readonly entryBytes: number; readonly root: SetNode } | null;
/** Entries one after the other, ascending. */
type Page = Uint8Array;
type SetNode = Page | Fork;

interface Fork {
  /** Bits that all entries below share; they part by the next one. */
  readonly bit: number;
  /** Entries below, more than a page holds. */
  readonly count: number;
  readonly low: SetNode;
  readonly high: SetNode;
}

/** A change copies a page, half full or more: 1 KB of what falls due. */
const PAGE_ENTRIES_MAX = 32;

export function withEntry(set: ByteSet, entry: Uint8Array): ByteSet {
  if (set === null) return { entryBytes: entry.length, root: entry.slice() };
  const shared = sharedBits(pageOf(set.root, entry), entry);
  const root = inserted(set.root, entry, shared);
  return root === set.root ? set : { ...set, root };
}

/**
 * The set of entries that lie in any order in one array, none of them twice: sorted once, not each put in.
 * @param headBytes where the entries' tails after so many bytes ascend already, their heads alone are sorted.
 */
export function setOf(packed: Uint8Array, entryBytes: number, headBytes = entryBytes): ByteSet {
  if (packed.length === 0) return null;
  const hasTails = headBytes < entryBytes && ascend(packed, { from: headBytes, to: entryBytes });
  const sorted = sortedBy(packed, { from: hasTails ? headBytes : entryBytes, to: entryBytes });
  return { entryBytes, root: nodeOf(sorted, entryBytes) };
}

/** Do entries of `to` bytes never go down by what stands in them from `from` on? */
function ascend(packed: Uint8Array, { from, to }: Span): boolean {
  for (let at = to; at < packed.length; at += to) {
    let i = from;
    while (i < to && packed[at + i] === packed[at - to + i]) i += 1;
    if (i < to && (packed[at + i] ?? 0) < (packed[at - to + i] ?? 0)) return false;
  }
  return true;
}

interface Span {
  readonly from: number;
  /** As long as an entry. */
  readonly to: number;
}

/**
 * Entries of `to` bytes in the order of their first `from`, those that are equal there as they stood: by one
 * byte after the other, the last first, for a million of them in a tenth of the time of comparisons.
 */
function sortedBy(packed: Uint8Array, { from, to }: Span): Uint8Array {
  const count = packed.length / to;
  let order = new Uint32Array(count).map((_, i) => i * to);
  let next = new Uint32Array(count);
  for (let byte = from - 1; byte >= 0; byte -= 1) {
    const starts = startsBy(packed, { from: byte, to });
    if (starts === null) continue;
    for (const entry of order) {
      const value = packed[entry + byte] ?? 0;
      const place = starts[value] ?? 0;
      next[place] = entry;
      starts[value] = place + 1;
    }
    [order, next] = [next, order];
  }
  const sorted = new Uint8Array(packed.length);
  order.forEach((entry, i) => sorted.set(packed.subarray(entry, entry + to), i * to));
  return sorted;
}

/** By the value of the byte at `from`, how many entries have a lower one; null where all have the same. */
function startsBy(packed: Uint8Array, { from, to }: Span): Uint32Array | null {
  const starts = new Uint32Array(257);
  for (let at = from; at < packed.length; at += to) {
    const above = (packed[at] ?? 0) + 1;
    starts[above] = (starts[above] ?? 0) + 1;
  }
  if (starts.includes(packed.length / to)) return null;
  for (let value = 1; value < starts.length; value += 1) {
    starts[value] = (starts[value] ?? 0) + (starts[value - 1] ?? 0);
  }
  return starts;
}

function nodeOf(sorted: Uint8Array, length: number): SetNode {
  const count = sorted.length / length;
  if (count <= PAGE_ENTRIES_MAX) return sorted.slice();
  const bit = sharedBits(sorted, sorted.subarray(sorted.length - length));
  let [from, to] = [0, count];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (bitAt(sorted, middle * length, bit) === 0) from = middle + 1;
    else to = middle;
  }
  const cut = from * length;
  const low = nodeOf(sorted.subarray(0, cut), length);
  return { bit, count, low, high: nodeOf(sorted.subarray(cut), length) };
}

export function withoutEntry(set: ByteSet, entry: Uint8Array): ByteSet {
  if (set === null) return null;
  const root = removed(set.root, entry);
  if (root === null) return null;
  return root === set.root ? set : { ...set, root };
}

/** @param shared bits that the entry shares with those of the page where its own bits lead. */
function inserted(node: SetNode, entry: Uint8Array, shared: number): SetNode {
  if (isPage(node)) return insertedInPage(node, entry);
  const { bit, count, low, high } = node;
  if (shared < bit) {
    const isHigh = bitAt(entry, 0, shared) === 1;
    const own = entry.slice();
    const parts = isHigh ? { low: node, high: own } : { low: own, high: node };
    return { bit: shared, count: count + 1, ...parts };
  }
  if (bitAt(entry, 0, bit) === 1) {
    const after = inserted(high, entry, shared);
    return after === high ? node : { bit, count: count + 1, low, high: after };
  }
  const after = inserted(low, entry, shared);
  return after === low ? node : { bit, count: count + 1, low: after, high };
}

function insertedInPage(page: Page, entry: Uint8Array): SetNode {
  const { length } = entry;
  const at = placeIn(page, entry, length);
  if (at < page.length && compareAt(page, at, entry) === 0) return page;
  const more = new Uint8Array(page.length + length);
  more.set(page.subarray(0, at));
  more.set(entry, at);
  more.set(page.subarray(at), at + length);
  return more.length <= PAGE_ENTRIES_MAX * length ? more : nodeOf(more, length);
}

function removed(node: SetNode, entry: Uint8Array): SetNode | null {
  if (isPage(node)) return removedFromPage(node, entry);
  const { bit, low, high } = node;
  const isHigh = bitAt(entry, 0, bit) === 1;
  const child = isHigh ? high : low;
  const left = removed(child, entry);
  if (left === child) return node;
  const count = node.count - 1;
  if (left === null) return isHigh ? low : high;
  const after = isHigh ? { bit, count, low, high: left } : { bit, count, low: left, high };
  return count <= PAGE_ENTRIES_MAX ? joined(after, entry.length) : after;
}

function removedFromPage(page: Page, entry: Uint8Array): Page | null {
  const { length } = entry;
  const at = placeIn(page, entry, length);
  if (at === page.length || compareAt(page, at, entry) !== 0) return page;
  if (page.length === length) return null;
  const less = new Uint8Array(page.length - length);
  less.set(page.subarray(0, at));
  less.set(page.subarray(at + length), at);
  return less;
}

/** All entries below in one page. */
function joined(node: Fork, length: number): Page {
  const page = new Uint8Array(node.count * length);
  let at = 0;
  for (const each of pagesOf(node, null)) {
    page.set(each, at);
    at += each.length;
  }
  return page;
}

/** Entries that are not below `from`, in order; `from` may be shorter than they are. */
export function* entriesFrom(set: ByteSet, from: Uint8Array): Generator<Uint8Array, undefined> {
  if (set === null) return;
  const { entryBytes } = set;
  for (const page of pagesOf(set.root, { from, entryBytes })) {
    for (let at = placeIn(page, from, entryBytes); at < page.length; at += entryBytes) {
      yield page.subarray(at, at + entryBytes);
    }
  }
}

/** Pages in order, without those that lie below a bound as a whole. */
function* pagesOf(
  node: SetNode,
  bound: { readonly from: Uint8Array; readonly entryBytes: number } | null,
): Generator<Page, undefined> {
  if (isPage(node)) {
    yield node;
    return;
  }
  const { low, high } = node;
  const isBelow = bound !== null && compareBytes(lastOf(low, bound.entryBytes), bound.from) < 0;
  if (!isBelow) yield* pagesOf(low, bound);
  yield* pagesOf(high, bound);
}

const isPage = (node: SetNode): node is Page => node instanceof Uint8Array;

/** The page where an entry's bits lead, whether it belongs there or not. */
function pageOf(node: SetNode, entry: Uint8Array): Page {
  let at = node;
  while (!isPage(at)) at = bitAt(entry, 0, at.bit) === 1 ? at.high : at.low;
  return at;
}

function lastOf(node: SetNode, length: number): Uint8Array {
  let at = node;
  while (!isPage(at)) at = at.high;
  return at.subarray(at.length - length);
}

/** Where the first entry begins that is not below `entry`. */
function placeIn(page: Page, entry: Uint8Array, length: number): number {
  let [low, high] = [0, page.length / length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAt(page, middle * length, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low * length;
}

/** Order of the entry at `at` and another, or what it begins with. */
function compareAt(page: Page, at: number, entry: Uint8Array): number {
  for (let i = 0; i < entry.length; i += 1) {
    const difference = (page[at + i] ?? 0) - (entry[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const bitAt = (bytes: Uint8Array, at: number, bit: number): number =>
  ((bytes[at + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1;

/** How many bits an entry shares with the first of a page. */
function sharedBits(page: Page, entry: Uint8Array): number {
  let at = 0;
  while (at < entry.length && page[at] === entry[at]) at += 1;
  const difference = (page[at] ?? 0) ^ (entry[at] ?? 0);
  return at < entry.length ? 8 * at + Math.clz32(difference) - 24 : 8 * at;
}
