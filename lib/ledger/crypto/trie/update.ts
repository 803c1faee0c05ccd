import { invariant, must } from '#lib/kernel/assert.ts';
import { bytesEqual, compareBytes, HASH_BYTES, ZERO_HASH, type Sha256 } from '../sha256.ts';
import {
  childAt,
  innerNodeHash,
  isLeaf,
  KEY_BYTES,
  keyOf,
  leafNodeHash,
  nibbleAt,
  slotOf,
  valueOf,
  WIDTH,
  type Trie,
  type TrieInner,
  type TrieLeaf,
  type TrieNode,
} from './node.ts';

/** A value for a key, or null: the key goes away (also where it was not there). */
export interface TrieChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

interface Hashed {
  readonly node: TrieNode;
  readonly hash: Uint8Array;
}

/**
 * All changes at once: each touched node is made and hashed once, however many changes pass through
 * it. The old trie stays as it was, and is a snapshot.
 * @param changes in any order, no key twice.
 */
export function trieUpdate(trie: Trie, changes: readonly TrieChange[], sha256: Sha256): Trie {
  if (changes.length === 0) return trie;
  const sorted = [...changes].sort((a, b) => compareBytes(a.key, b.key));
  sorted.forEach(({ key }, i) => {
    const next = sorted[i + 1];
    invariant(key.length === KEY_BYTES, 'a key of the trie has 32 bytes');
    invariant(next === undefined || !bytesEqual(key, next.key), 'no key changes twice');
  });
  const counter = { grown: 0 };
  const made = new Updating(sha256, counter).node(hashedRoot(trie), sorted, 0);
  if (made === null) return { root: null, rootHash: ZERO_HASH, size: 0 };
  return { root: made.node, rootHash: made.hash, size: trie.size + counter.grown };
}

const hashedRoot = ({ root, rootHash }: Trie): Hashed | null =>
  root === null ? null : { node: root, hash: rootHash };

class Updating {
  readonly #sha256: Sha256;
  readonly #counter: { grown: number };

  constructor(sha256: Sha256, counter: { grown: number }) {
    this.#sha256 = sha256;
    this.#counter = counter;
  }

  /** `changes` are sorted, not empty, and all share the path to this node. */
  node(old: Hashed | null, changes: readonly TrieChange[], depth: number): Hashed | null {
    const node = old?.node ?? null;
    if (node !== null && !isLeaf(node)) return this.#inner(node, changes, depth);
    return this.#build(this.#merged(node, changes), depth);
  }

  #inner(old: TrieInner, changes: readonly TrieChange[], depth: number): Hashed | null {
    const touched: (Hashed | null | undefined)[] = [];
    let at = 0;
    for (let nibble = 0; nibble < WIDTH; nibble += 1) {
      let end = at;
      while (end < changes.length && nibbleAt(keyAt(changes, end), depth) === nibble) end += 1;
      if (end === at) continue;
      touched[nibble] = this.node(childOf(old, nibble), changes.slice(at, end), depth + 1);
      at = end;
    }
    return this.#replaced(old, touched);
  }

  /**
   * The node with some places changed (undefined: as it was). Mostly the same places stay taken, and
   * then the rest is copied whole.
   */
  #replaced(old: TrieInner, touched: readonly (Hashed | null | undefined)[]): Hashed | null {
    const isTaken = (nibble: number) => (old.present & (1 << nibble)) !== 0;
    const sameTaken = touched.every(
      (child, nibble) => child === undefined || (child !== null) === isTaken(nibble),
    );
    if (!sameTaken || old.children.length === 1) {
      return this.#joined(
        Array.from({ length: WIDTH }, (_, nibble) => {
          const child = touched[nibble];
          return child === undefined ? childOf(old, nibble) : child;
        }),
      );
    }
    const children = [...old.children];
    const hashes = Uint8Array.from(old.hashes);
    touched.forEach((child, nibble) => {
      if (!child) return;
      const slot = slotOf(old.present, nibble);
      children[slot] = child.node;
      hashes.set(child.hash, slot * HASH_BYTES);
    });
    const hash = innerNodeHash(old.present, hashes, this.#sha256);
    return { node: { present: old.present, children, hashes }, hash };
  }

  /** What stays of a leaf and of the changes in its place, by ascending key. */
  #merged(old: TrieLeaf | null, changes: readonly TrieChange[]): TrieLeaf[] {
    const before = old === null ? 0 : 1;
    const kept = changes.flatMap(({ key, value }) => (value === null ? [] : [leaf(key, value)]));
    if (old !== null && !changes.some(({ key }) => bytesEqual(key, keyOf(old)))) {
      const place = kept.findIndex((other) => compareBytes(keyOf(other), keyOf(old)) > 0);
      kept.splice(place < 0 ? kept.length : place, 0, old);
    }
    this.#counter.grown += kept.length - before;
    return kept;
  }

  #build(leaves: readonly TrieLeaf[], depth: number): Hashed | null {
    const [first] = leaves;
    if (first === undefined) return null;
    if (leaves.length === 1) return this.#hashedLeaf(first);
    const groups: TrieLeaf[][] = Array.from({ length: WIDTH }, () => []);
    for (const each of leaves) groups[nibbleAt(each, depth)]?.push(each);
    return this.#joined(groups.map((group) => this.#build(group, depth + 1)));
  }

  /** A node over 16 places; a leaf left alone takes its parent's. */
  #joined(places: readonly (Hashed | null)[]): Hashed | null {
    const there = places.filter((child) => child !== null);
    const [only] = there;
    if (only === undefined) return null;
    if (there.length === 1 && isLeaf(only.node)) return only;
    const present = places.reduce((bits, child, i) => (child === null ? bits : bits | (1 << i)), 0);
    const hashes = new Uint8Array(there.length * HASH_BYTES);
    there.forEach(({ hash }, slot) => hashes.set(hash, slot * HASH_BYTES));
    return {
      node: { present, children: there.map(({ node }) => node), hashes },
      hash: innerNodeHash(present, hashes, this.#sha256),
    };
  }

  #hashedLeaf(node: TrieLeaf): Hashed {
    return { node, hash: leafNodeHash(keyOf(node), this.#sha256(valueOf(node)), this.#sha256) };
  }
}

function leaf(key: Uint8Array, value: Uint8Array): TrieLeaf {
  const bytes = new Uint8Array(KEY_BYTES + value.length);
  bytes.set(key);
  bytes.set(value, KEY_BYTES);
  return bytes;
}

function childOf(inner: TrieInner, nibble: number): Hashed | null {
  const node = childAt(inner, nibble);
  if (node === null) return null;
  const slot = slotOf(inner.present, nibble);
  return { node, hash: inner.hashes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES) };
}

const keyAt = (changes: readonly TrieChange[], at: number): Uint8Array =>
  must(changes[at], 'a change of the run').key;
