import { HASH_BYTES, type Sha256 } from '../sha256.ts';
import {
  bitCount,
  END_BYTES,
  hashesOf,
  INNER,
  leafStart,
  leavesAt,
  slotOf,
  WIDTH,
  writeEnd,
  type TrieInner,
  type TrieLeaf,
  type TrieNode,
} from './node.ts';

export interface Hashed {
  readonly node: TrieNode;
  readonly hash: Uint8Array;
}

/** Gives so many bytes, zeros, for a node to keep. */
export type Room = (length: number) => Uint8Array;

export const ownRoom: Room = (length) => new Uint8Array(length);

const NO_CHILDREN: readonly TrieInner[] = [];
/** Grows where sixteen leaves need more. */
const LEAF_BYTES = 1024;

/**
 * A node while its children come in, by ascending nibble. `finish` empties it for the next one, so that
 * a million nodes are made with a handful of these.
 */
export class NodeDraft {
  /** 1 ‖ 16 children, zeros where there is none. */
  readonly #preimage = new Uint8Array(1 + WIDTH * HASH_BYTES);
  readonly #ends = new Uint32Array(WIDTH);
  #leafBytes = new Uint8Array(LEAF_BYTES);
  #leafLength = 0;
  #present = 0;
  #leaves = 0;
  #children: TrieInner[] = [];

  constructor() {
    this.#preimage[0] = INNER;
  }

  add(nibble: number, node: TrieNode, hash: Uint8Array): void {
    this.#present |= 1 << nibble;
    const at = 1 + nibble * HASH_BYTES;
    for (let i = 0; i < HASH_BYTES; i += 1) this.#preimage[at + i] = hash[i] ?? 0;
    if (node instanceof Uint8Array) this.#addLeaf(nibble, node);
    else this.#children.push(node);
  }

  /** The children that another node has from one nibble up to another. */
  addOf(old: TrieInner, from: number, to: number): void {
    const run = ((1 << to) - 1) & ~((1 << from) - 1);
    const present = old.present & run;
    if (present === 0) return;
    const leaves = old.leaves & run;
    const slot = slotOf(old.present, from);
    spread(hashesOf(old, slot, slot + bitCount(present)), present, this.#preimage);
    this.#present |= present;
    if (present !== leaves) this.#addInnersOf(old, present & ~leaves);
    if (leaves !== 0) this.#addLeavesOf(old, leaves);
  }

  #addInnersOf(old: TrieInner, inners: number): void {
    const first = slotOf(old.present & ~old.leaves, lowest(inners));
    for (let slot = first; slot < first + bitCount(inners); slot += 1) {
      const child = old.children[slot];
      if (child !== undefined) this.#children.push(child);
    }
  }

  /** Those of one run lie one after the other. */
  #addLeavesOf(old: TrieInner, leaves: number): void {
    const first = slotOf(old.leaves, lowest(leaves));
    const last = first + bitCount(leaves) - 1;
    const bytes = leavesAt(old, first, last);
    const offset = this.#leafLength - leafStart(old, first);
    const before = bitCount(this.#leaves);
    this.#append(bytes);
    for (let slot = first; slot <= last; slot += 1) {
      this.#ends[before + slot - first] = leafStart(old, slot + 1) + offset;
    }
    this.#leaves |= leaves;
  }

  #addLeaf(nibble: number, leaf: TrieLeaf): void {
    this.#append(leaf);
    this.#ends[bitCount(this.#leaves)] = this.#leafLength;
    this.#leaves |= 1 << nibble;
  }

  #append(bytes: Uint8Array): void {
    const start = this.#leafLength;
    const end = start + bytes.length;
    if (end > this.#leafBytes.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#leafBytes);
      this.#leafBytes = grown;
    }
    this.#leafBytes.set(bytes, start);
    this.#leafLength = end;
  }

  /** The node and its hash; a leaf left alone takes its parent's place; null where there is nothing. */
  finish(room: Room, sha256: Sha256): Hashed | null {
    if (this.#present === 0) return null;
    const made = bitCount(this.#present) === 1 && this.#leaves !== 0 ? this.#leaf() : null;
    const hashed = made ?? { node: this.#inner(room), hash: sha256(this.#preimage) };
    this.#preimage.fill(0, 1);
    this.#leafLength = 0;
    this.#present = 0;
    this.#leaves = 0;
    this.#children = [];
    return hashed;
  }

  #leaf(): Hashed {
    const at = 1 + bitCount(this.#present - 1) * HASH_BYTES;
    return {
      node: this.#leafBytes.slice(0, this.#leafLength),
      hash: this.#preimage.slice(at, at + HASH_BYTES),
    };
  }

  #inner(room: Room): TrieInner {
    const present = this.#present;
    const leafCount = bitCount(this.#leaves);
    const ends = bitCount(present) * HASH_BYTES;
    const first = ends + leafCount * END_BYTES;
    const bytes = room(first + this.#leafLength);
    gather(this.#preimage, present, bytes);
    for (let i = 0; i < leafCount; i += 1)
      writeEnd(bytes, ends + i * END_BYTES, this.#ends[i] ?? 0);
    if (leafCount > 0) bytes.set(this.#leafBytes.subarray(0, this.#leafLength), first);
    const children = this.#children.length === 0 ? NO_CHILDREN : this.#children;
    return { present, leaves: this.#leaves, children, bytes };
  }
}

/** Hashes in a row to their places in a preimage, by nibble. */
function spread(hashes: Uint8Array, present: number, preimage: Uint8Array): void {
  if (isOneRun(present)) {
    preimage.set(hashes, 1 + lowest(present) * HASH_BYTES);
    return;
  }
  let from = 0;
  for (let nibble = 0; nibble < WIDTH; nibble += 1) {
    if ((present & (1 << nibble)) === 0) continue;
    const to = 1 + nibble * HASH_BYTES;
    for (let i = 0; i < HASH_BYTES; i += 1) preimage[to + i] = hashes[from + i] ?? 0;
    from += HASH_BYTES;
  }
}

/** The other way round. */
function gather(preimage: Uint8Array, present: number, hashes: Uint8Array): void {
  if (isOneRun(present)) {
    const from = 1 + lowest(present) * HASH_BYTES;
    hashes.set(preimage.subarray(from, from + bitCount(present) * HASH_BYTES));
    return;
  }
  let to = 0;
  for (let nibble = 0; nibble < WIDTH; nibble += 1) {
    if ((present & (1 << nibble)) === 0) continue;
    const from = 1 + nibble * HASH_BYTES;
    for (let i = 0; i < HASH_BYTES; i += 1) hashes[to + i] = preimage[from + i] ?? 0;
    to += HASH_BYTES;
  }
}

/** All sixteen mostly are, near the root. */
function isOneRun(present: number): boolean {
  const above = present + (present & -present);
  return (above & (above - 1)) === 0;
}

/** The lowest nibble of which a bit is set. */
const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);
