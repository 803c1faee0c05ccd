import { HASH_BYTES, type Sha256 } from '../sha256.ts';
import {
  bitCount,
  END_BYTES,
  INNER,
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

  #addLeaf(nibble: number, leaf: TrieLeaf): void {
    const start = this.#leafLength;
    const end = start + leaf.length;
    if (end > this.#leafBytes.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#leafBytes);
      this.#leafBytes = grown;
    }
    this.#leafBytes.set(leaf, start);
    this.#leafLength = end;
    this.#ends[bitCount(this.#leaves)] = end;
    this.#leaves |= 1 << nibble;
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
    let at = 0;
    for (let nibble = 0; nibble < WIDTH; nibble += 1) {
      if ((present & (1 << nibble)) === 0) continue;
      const from = 1 + nibble * HASH_BYTES;
      for (let i = 0; i < HASH_BYTES; i += 1) bytes[at + i] = this.#preimage[from + i] ?? 0;
      at += HASH_BYTES;
    }
    for (let i = 0; i < leafCount; i += 1)
      writeEnd(bytes, ends + i * END_BYTES, this.#ends[i] ?? 0);
    if (leafCount > 0) bytes.set(this.#leafBytes.subarray(0, this.#leafLength), first);
    const children = this.#children.length === 0 ? NO_CHILDREN : this.#children;
    return { present, leaves: this.#leaves, children, bytes };
  }
}
