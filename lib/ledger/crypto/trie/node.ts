import { HASH_BYTES, ZERO_HASH, type Sha256 } from '../sha256.ts';

/**
 * The state trie: persistent (an update shares what it does not touch), 16-ary, keyed by 32-byte
 * hashes. A leaf sits at the first depth at which no other key shares its nibbles, so the same
 * entries give the same nodes whatever their history. Nodes are never changed once made.
 */
export interface Trie {
  readonly root: TrieNode | null;
  /** 32 zero bytes for the empty trie. */
  readonly rootHash: Uint8Array;
  readonly size: number;
}

/** A leaf is its key (32 bytes) followed by its value. */
export type TrieLeaf = Uint8Array;
export type TrieNode = TrieLeaf | TrieInner;

/**
 * Where keys part. What a node has of its own lies in one array, its leaves too: a million leaves as
 * objects take four times the bytes that they hold.
 */
export interface TrieInner {
  /** Bit n is set where there is a child for nibble n. */
  readonly present: number;
  /** Bit n is set where that child is a leaf. */
  readonly leaves: number;
  /** The children that are no leaves, by ascending nibble. */
  readonly children: readonly TrieInner[];
  /**
   * By ascending nibble: all children's hashes, 32 bytes each; where each leaf ends, u32 each, counted
   * from the first leaf; the leaves.
   */
  readonly bytes: Uint8Array;
}

export const KEY_BYTES = HASH_BYTES;
export const WIDTH = 16;
/** Depth at which keys of 32 bytes are at their end. */
export const DEPTH_MAX = KEY_BYTES * 2;

export const EMPTY_TRIE: Trie = { root: null, rootHash: ZERO_HASH, size: 0 };

export const isLeaf = (node: TrieNode): node is TrieLeaf => node instanceof Uint8Array;
export const keyOf = (leaf: TrieLeaf): Uint8Array => leaf.subarray(0, KEY_BYTES);
export const valueOf = (leaf: TrieLeaf): Uint8Array => leaf.subarray(KEY_BYTES);

/** The digit of `key` that chooses a child at `depth`. */
export function nibbleAt(key: Uint8Array, depth: number): number {
  const byte = key[depth >> 1] ?? 0;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
}

/** Index of nibble's child among those present. */
export const slotOf = (present: number, nibble: number): number =>
  bitCount(present & ((1 << nibble) - 1));

/** How many of sixteen bits are set: sums of two, of four, of eight. */
export function bitCount(bits: number): number {
  const twos = bits - ((bits >> 1) & 0x5555);
  const fours = (twos & 0x3333) + ((twos >> 2) & 0x3333);
  const eights = (fours + (fours >> 4)) & 0x0f0f;
  return (eights + (eights >> 8)) & 31;
}

export function childAt(inner: TrieInner, nibble: number): TrieNode | null {
  const { present, leaves, children } = inner;
  const bit = 1 << nibble;
  if ((present & bit) === 0) return null;
  if ((leaves & bit) !== 0) {
    const slot = slotOf(leaves, nibble);
    return leavesAt(inner, slot, slot);
  }
  return children[slotOf(present & ~leaves, nibble)] ?? null;
}

/** Where the child `slot` of those that are leaves begins, and the one before it ends: from the first. */
export function leafStart({ present, bytes }: TrieInner, slot: number): number {
  return slot === 0 ? 0 : readEnd(bytes, bitCount(present) * HASH_BYTES + (slot - 1) * END_BYTES);
}

/** The leaves of these slots, one after the other. */
export function leavesAt(inner: TrieInner, first: number, last: number): Uint8Array {
  const { present, leaves, bytes } = inner;
  const at = bitCount(present) * HASH_BYTES + bitCount(leaves) * END_BYTES;
  return bytes.subarray(at + leafStart(inner, first), at + leafStart(inner, last + 1));
}

/** The children there are, by ascending nibble. */
export function childrenOf(inner: TrieInner): TrieNode[] {
  const all: TrieNode[] = [];
  for (let nibble = 0; nibble < WIDTH; nibble += 1) {
    const child = childAt(inner, nibble);
    if (child !== null) all.push(child);
  }
  return all;
}

/** The children's hashes from one slot up to another. */
export const hashesOf = ({ bytes }: TrieInner, from: number, to: number): Uint8Array =>
  bytes.subarray(from * HASH_BYTES, to * HASH_BYTES);

export const END_BYTES = 4;

const readEnd = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 2 ** 24 +
  (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));

export function writeEnd(bytes: Uint8Array, at: number, end: number): void {
  for (let i = 0; i < END_BYTES; i += 1) bytes[at + i] = end >>> (24 - 8 * i);
}

const LEAF = 0;
export const INNER = 1;

/** What a leaf is hashed from; taken again for each, because an array of more than 64 bytes costs as much as hashing it. */
const leafPreimage = new Uint8Array(1 + KEY_BYTES + HASH_BYTES);

/** H(0 ‖ key ‖ H(value)). */
export function leafNodeHash(key: Uint8Array, valueHash: Uint8Array, sha256: Sha256): Uint8Array {
  leafPreimage[0] = LEAF;
  leafPreimage.set(key, 1);
  leafPreimage.set(valueHash, 1 + KEY_BYTES);
  return sha256(leafPreimage);
}

/** H(1 ‖ 16 children, zeros where there is none), from the hashes of the children there are. */
export function innerNodeHash(present: number, hashes: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + WIDTH * HASH_BYTES);
  bytes[0] = INNER;
  let slot = 0;
  for (let nibble = 0; nibble < WIDTH; nibble += 1) {
    const first = nibble;
    while (nibble < WIDTH && (present & (1 << nibble)) !== 0) nibble += 1;
    const run = nibble - first;
    if (run === 0) continue;
    const hash = hashes.subarray(slot * HASH_BYTES, (slot + run) * HASH_BYTES);
    bytes.set(hash, 1 + first * HASH_BYTES);
    slot += run;
  }
  return sha256(bytes);
}
