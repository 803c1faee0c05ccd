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

/** A leaf is its key (32 bytes) followed by its value, in one array: a million of them are held. */
export type TrieLeaf = Uint8Array;
export type TrieNode = TrieLeaf | TrieInner;

export interface TrieInner {
  /** Bit n is set where there is a child for nibble n. */
  readonly present: number;
  /** The children there are, by ascending nibble. */
  readonly children: readonly TrieNode[];
  /** The children's hashes, 32 bytes each, in the same order. */
  readonly hashes: Uint8Array;
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

export function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

export function childAt(inner: TrieInner, nibble: number): TrieNode | null {
  if ((inner.present & (1 << nibble)) === 0) return null;
  return inner.children[slotOf(inner.present, nibble)] ?? null;
}

const LEAF = 0;
const INNER = 1;

/** H(0 ‖ key ‖ H(value)). */
export function leafNodeHash(key: Uint8Array, valueHash: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + KEY_BYTES + HASH_BYTES);
  bytes[0] = LEAF;
  bytes.set(key, 1);
  bytes.set(valueHash, 1 + KEY_BYTES);
  return sha256(bytes);
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
