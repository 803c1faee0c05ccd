import { must } from '#lib/kernel/assert.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { ascend, sortedBy } from './packed-sort.ts';

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

/** An entry that is in the set from now on, or in it no more. */
export interface SetChange {
  readonly entry: Uint8Array;
  readonly isIn: boolean;
}

/** All at once: a page is copied once, however many of them are of it. @param changes of different entries. */
export function changedSet(set: ByteSet, changes: readonly SetChange[]): ByteSet {
  const [first] = changes;
  if (first === undefined) return set;
  if (set === null) {
    const added = changes.filter(({ isIn }) => isIn).map(({ entry }) => entry);
    return setOf(concatBytes(added), first.entry.length);
  }
  const sorted = [...changes].sort((a, b) => compareBytes(a.entry, b.entry));
  const strays: Uint8Array[] = [];
  const root = changed(set.root, sorted, strays);
  if (root === set.root && strays.length === 0) return set;
  const { entryBytes } = set;
  const after =
    root === null ? setOf(concatBytes(strays.splice(0)), entryBytes) : { entryBytes, root };
  return strays.reduce<ByteSet>(withStray, after);
}

function withStray(set: ByteSet, entry: Uint8Array): ByteSet {
  if (set === null) return setOf(entry, entry.length);
  const root = inserted(set.root, entry, sharedBits(pageOf(set.root, entry), entry));
  return { ...set, root };
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

/**
 * @param changes ascending.
 * @param strays gets what comes in and does not share the bits that all entries below the node share.
 */
function changed(
  node: SetNode,
  changes: readonly SetChange[],
  strays: Uint8Array[],
): SetNode | null {
  const [first, last] = [changes[0], changes.at(-1)];
  if (first === undefined || last === undefined) return node;
  if (isPage(node)) return changedPage(node, changes);
  const { bit } = node;
  const page = pageOf(node, first.entry);
  const isOwn = ({ entry }: SetChange): boolean => sharedBits(page, entry) >= bit;
  // In order: what lies between two that share these bits shares them, too.
  const own = isOwn(first) && isOwn(last) ? changes : changes.filter(isOwn);
  if (own !== changes)
    for (const change of changes) if (change.isIn && !isOwn(change)) strays.push(change.entry);
  const cut = own.findIndex(({ entry }) => bitAt(entry, 0, bit) === 1);
  const highFrom = cut < 0 ? own.length : cut;
  const low = changed(node.low, own.slice(0, highFrom), strays);
  const high = changed(node.high, own.slice(highFrom), strays);
  if (low === node.low && high === node.high) return node;
  if (low === null || high === null) return low ?? high;
  const { length } = first.entry;
  const after = { bit, count: countOf(low, length) + countOf(high, length), low, high };
  return after.count <= PAGE_ENTRIES_MAX ? joined(after, length) : after;
}

const countOf = (node: SetNode, length: number): number =>
  isPage(node) ? node.length / length : node.count;

function changedPage(page: Page, changes: readonly SetChange[]): SetNode | null {
  const runs: Uint8Array[] = [];
  let from = 0;
  let length = 0;
  for (const { entry, isIn } of changes) {
    ({ length } = entry);
    const at = placeIn(page, entry, length);
    const isThere = at < page.length && compareAt(page, at, entry) === 0;
    if (isThere === isIn) continue;
    runs.push(page.subarray(from, at));
    if (isIn) runs.push(entry);
    from = isIn ? at : at + length;
  }
  if (runs.length === 0) return page;
  const packed = concatBytes([...runs, page.subarray(from)]);
  if (packed.length === 0) return null;
  return packed.length <= PAGE_ENTRIES_MAX * length ? packed : nodeOf(packed, length);
}

/** @param shared bits that the entry shares with those of the page where its own bits lead. */
function inserted(node: SetNode, entry: Uint8Array, shared: number): SetNode {
  if (isPage(node)) return must(changedPage(node, [{ entry, isIn: true }]), 'what was put in');
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

/** The lowest entry; null: there is none. */
export function firstEntry(set: ByteSet): Uint8Array | null {
  if (set === null) return null;
  let at = set.root;
  while (!isPage(at)) at = at.low;
  return at.subarray(0, set.entryBytes);
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
