import { invariant, must } from '#lib/kernel/assert.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { bytesEqual, compareBytes, ZERO_HASH, type Sha256 } from '../sha256.ts';
import { leafHashOf, slabRoom, TrieBuilder } from './build.ts';
import { NodeDraft, ownRoom, type Hashed } from './draft.ts';
import {
  childAt,
  isLeaf,
  KEY_BYTES,
  keyOf,
  nibbleAt,
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
  if (trie.root === null) return built(sorted, sha256);
  const updating = new Updating(sha256);
  const made = updating.node(trie.root, sorted, 0);
  if (made === null) return { root: null, rootHash: ZERO_HASH, size: 0 };
  return { root: made.node, rootHash: made.hash, size: trie.size + updating.grown };
}

function built(sorted: readonly TrieChange[], sha256: Sha256): Trie {
  const builder = new TrieBuilder(sha256, { room: slabRoom() });
  for (const { key, value } of sorted) if (value !== null) builder.add(key, value);
  return builder.trie();
}

class Updating {
  /** Entries more than before. */
  grown = 0;
  readonly #sha256: Sha256;
  /** One a depth: an update goes down one path at a time. */
  readonly #drafts: NodeDraft[] = [];

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** `changes` are sorted, not empty, and all share the path to this node. */
  node(old: TrieNode | null, changes: readonly TrieChange[], depth: number): Hashed | null {
    if (old !== null && !isLeaf(old)) return this.#inner(old, changes, depth);
    return this.#leaves(old, changes, depth);
  }

  #inner(old: TrieInner, changes: readonly TrieChange[], depth: number): Hashed | null {
    const draft = (this.#drafts[depth] ??= new NodeDraft());
    let from = 0;
    for (let at = 0; at < changes.length;) {
      const nibble = nibbleAt(keyAt(changes, at), depth);
      let end = at + 1;
      while (end < changes.length && nibbleAt(keyAt(changes, end), depth) === nibble) end += 1;
      draft.addOf(old, from, nibble);
      const made = this.node(childAt(old, nibble), changes.slice(at, end), depth + 1);
      if (made !== null) draft.add(nibble, made.node, made.hash);
      [from, at] = [nibble + 1, end];
    }
    draft.addOf(old, from, WIDTH);
    return draft.finish(ownRoom, this.#sha256);
  }

  /** What stays of a leaf and of the changes in its place. */
  #leaves(old: TrieLeaf | null, changes: readonly TrieChange[], depth: number): Hashed | null {
    const kept = merged(old, changes);
    this.grown += kept.length - (old === null ? 0 : 1);
    const [only] = kept;
    if (only === undefined) return null;
    if (kept.length === 1) return { node: only, hash: leafHashOf(only, this.#sha256) };
    const builder = new TrieBuilder(this.#sha256, { depth, path: this.#drafts });
    for (const leaf of kept) builder.add(keyOf(leaf), valueOf(leaf));
    return builder.node();
  }
}

function merged(old: TrieLeaf | null, changes: readonly TrieChange[]): TrieLeaf[] {
  const kept: TrieLeaf[] = [];
  let left = old;
  for (const { key, value } of changes) {
    const order = left === null ? 1 : compareBytes(keyOf(left), key);
    if (left !== null && order < 0) kept.push(left);
    if (order <= 0) left = null;
    if (value !== null) kept.push(concatBytes([key, value]));
  }
  return left === null ? kept : [...kept, left];
}

const keyAt = (changes: readonly TrieChange[], at: number): Uint8Array =>
  must(changes[at], 'a change of the run').key;
