import { must } from '#lib/kernel/assert.ts';
import { ZERO_HASH, type Sha256 } from '../sha256.ts';
import { NodeDraft, ownRoom, type Hashed, type Room } from './draft.ts';
import { KEY_BYTES, keyOf, leafNodeHash, nibbleAt, valueOf, type Trie } from './node.ts';

/**
 * A trie from its entries by ascending key, in one pass: a node is made and hashed once, when the first
 * key past it comes, and nothing is kept of an entry but its bytes.
 */
export class TrieBuilder {
  readonly #sha256: Sha256;
  readonly #room: Room;
  /** Depth of the node that is built. */
  readonly #depth: number;
  /** By depth, nodes on the path to the last key: `#open` of them, from `#depth` down, are under way. */
  readonly #path: NodeDraft[];
  #open = 0;
  /** The last entry, key ‖ value: its place depends on the next key. */
  #last = new Uint8Array(256);
  #lastLength = 0;
  #size = 0;

  /**
   * @param of.depth all keys share so many nibbles, and the node stands under them.
   * @param of.path drafts by depth, of which those from `depth` on are free.
   */
  constructor(
    sha256: Sha256,
    of: { readonly depth?: number; readonly room?: Room; readonly path?: NodeDraft[] } = {},
  ) {
    this.#sha256 = sha256;
    this.#depth = of.depth ?? 0;
    this.#room = of.room ?? ownRoom;
    this.#path = of.path ?? [];
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing is changed, where the key is not above the one before it. */
  add(key: Uint8Array, value: Uint8Array): boolean {
    if (this.#size > 0) {
      const shared = sharedNibbles(this.#last, key);
      if (shared === null) return false;
      this.#place(shared);
    }
    this.#lastLength = KEY_BYTES + value.length;
    if (this.#lastLength > this.#last.length) this.#last = new Uint8Array(2 * this.#lastLength);
    this.#last.set(key);
    this.#last.set(value, KEY_BYTES);
    this.#size += 1;
    return true;
  }

  /** The node over all entries; null where there was none. */
  node(): Hashed | null {
    if (this.#size === 0) return null;
    if (this.#open === 0) {
      const node = this.#last.slice(0, this.#lastLength);
      return { node, hash: leafHashOf(node, this.#sha256) };
    }
    this.#place(this.#depth);
    return must(this.#path[this.#depth], 'an open node').finish(this.#room, this.#sha256);
  }

  trie(): Trie {
    const made = this.node();
    if (made === null) return { root: null, rootHash: ZERO_HASH, size: 0 };
    return { root: made.node, rootHash: made.hash, size: this.#size };
  }

  /** The last entry becomes a leaf, and every node deeper than what the next key shares with it is done. */
  #place(shared: number): void {
    for (; this.#depth + this.#open <= shared; this.#open += 1) {
      this.#path[this.#depth + this.#open] ??= new NodeDraft();
    }
    const leaf = this.#last.subarray(0, this.#lastLength);
    let made: Hashed = { node: leaf, hash: leafHashOf(leaf, this.#sha256) };
    for (;;) {
      const depth = this.#depth + this.#open - 1;
      const draft = must(this.#path[depth], 'an open node');
      draft.add(nibbleAt(leaf, depth), made.node, made.hash);
      if (depth <= shared) return;
      made = must(draft.finish(this.#room, this.#sha256), 'a node with a child');
      this.#open -= 1;
    }
  }
}

export const leafHashOf = (leaf: Uint8Array, sha256: Sha256): Uint8Array =>
  leafNodeHash(keyOf(leaf), sha256(valueOf(leaf)), sha256);

/** How many digits two keys share; null where the second is not above the first. */
function sharedNibbles(before: Uint8Array, key: Uint8Array): number | null {
  for (let i = 0; i < KEY_BYTES; i += 1) {
    const [a, b] = [before[i] ?? 0, key[i] ?? 0];
    if (a === b) continue;
    if (b < a) return null;
    return 2 * i + (a >> 4 === b >> 4 ? 1 : 0);
  }
  return null;
}

const SLAB_BYTES = 64 * 1024;

/**
 * Cuts the bytes of many nodes from one buffer after the other: a buffer of its own costs a node 300
 * bytes more, and its time. A slab is freed with the last of its nodes, so a state that was loaded and
 * then changed everywhere is held up to twice.
 */
export function slabRoom(): Room {
  let slab = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > SLAB_BYTES / 8) return new Uint8Array(length);
    if (used + length > slab.length) [slab, used] = [new Uint8Array(SLAB_BYTES), 0];
    used += length;
    return slab.subarray(used - length, used);
  };
}
