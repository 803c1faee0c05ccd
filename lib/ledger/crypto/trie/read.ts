import { bytesEqual } from '../sha256.ts';
import {
  childAt,
  childrenOf,
  isLeaf,
  keyOf,
  nibbleAt,
  valueOf,
  type Trie,
  type TrieNode,
} from './node.ts';

/** The value under `key` (32 bytes), or null. */
export function trieGet(trie: Trie, key: Uint8Array): Uint8Array | null {
  let node = trie.root;
  for (let depth = 0; node !== null; depth += 1) {
    if (isLeaf(node)) return bytesEqual(keyOf(node), key) ? valueOf(node) : null;
    node = childAt(node, nibbleAt(key, depth));
  }
  return null;
}

export interface TrieEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Every entry, by ascending key. */
export function* trieEntries(trie: Trie): Generator<TrieEntry, undefined> {
  const stack: TrieNode[] = trie.root === null ? [] : [trie.root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (isLeaf(node)) yield { key: keyOf(node), value: valueOf(node) };
    else stack.push(...childrenOf(node).reverse());
  }
}
