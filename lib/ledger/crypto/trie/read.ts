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
export const trieEntries = ({ root }: Trie): Generator<TrieEntry, undefined> => entriesUnder(root);

/** The nodes under which keys share so many digits, by ascending key; a leaf that stands higher is one. */
export function* nodesAt(node: TrieNode | null, depth: number): Generator<TrieNode, undefined> {
  if (node === null) return;
  if (depth === 0 || isLeaf(node)) yield node;
  else for (const child of childrenOf(node)) yield* nodesAt(child, depth - 1);
}

/** Every entry under a node, by ascending key. */
export function* entriesUnder(from: TrieNode | null): Generator<TrieEntry, undefined> {
  const stack: TrieNode[] = from === null ? [] : [from];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (isLeaf(node)) yield { key: keyOf(node), value: valueOf(node) };
    else stack.push(...childrenOf(node).reverse());
  }
}
