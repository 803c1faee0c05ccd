import { must } from '#lib/kernel/assert.ts';
import { bytesEqual, type Sha256 } from './sha256.ts';

/**
 * Merkle trees over a list, as in Certificate Transparency (RFC 9162 §2.1): a leaf is H(0 ‖ data), an
 * inner node H(1 ‖ left ‖ right), the left part the largest power of two below the count, and the root
 * of nothing H(). The prefixes keep a leaf from passing as an inner node.
 */

const LEAF = 0;
const INNER = 1;

export function leafHash(data: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + data.length);
  bytes[0] = LEAF;
  bytes.set(data, 1);
  return sha256(bytes);
}

export function innerHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + left.length + right.length);
  bytes[0] = INNER;
  bytes.set(left, 1);
  bytes.set(right, 1 + left.length);
  return sha256(bytes);
}

/** The largest power of two below `count`, `count` ≥ 2: where RFC 9162 splits a list. */
export function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

/** The root over `items`, in order: 32 bytes. */
export function merkleRoot(items: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  if (items.length === 0) return sha256(new Uint8Array(0));
  const hashes = items.map((item) => leafHash(item, sha256));
  return subtree(hashes, 0, hashes.length);

  function subtree(all: readonly Uint8Array[], from: number, count: number): Uint8Array {
    if (count === 1) return must(all[from], 'a leaf of the tree');
    const split = splitOf(count);
    return innerHash(subtree(all, from, split), subtree(all, from + split, count - split), sha256);
  }
}

interface Subtree {
  readonly hash: Uint8Array;
  /** Items below it. */
  readonly count: number;
  readonly parts: readonly [Subtree, Subtree] | null;
}

/** As long as somebody has the list: its root is wanted when a block is executed, its paths soon after. */
const trees = new WeakMap<readonly Uint8Array[], Subtree>();

/** As `merkleRoot`, of a list, never changed, whose paths are asked for later: they cost no hash more. */
export function merkleRootKept(items: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  return items.length === 0 ? merkleRoot(items, sha256) : treeOf(items, sha256).hash;
}

/** Of each item the siblings from its leaf up to the root, nearest first. */
export function merklePaths(items: readonly Uint8Array[], sha256: Sha256): Uint8Array[][] {
  const paths = items.map((): Uint8Array[] => []);
  if (items.length > 0) climb(treeOf(items, sha256), 0);
  return paths;

  function climb({ parts }: Subtree, from: number): void {
    if (parts === null) return;
    const [left, right] = parts;
    const middle = from + left.count;
    climb(left, from);
    climb(right, middle);
    for (let i = from; i < middle; i += 1) paths[i]?.push(right.hash);
    for (let i = middle; i < middle + right.count; i += 1) paths[i]?.push(left.hash);
  }
}

function treeOf(items: readonly Uint8Array[], sha256: Sha256): Subtree {
  const known = trees.get(items);
  if (known !== undefined) return known;
  const tree = subtree(0, items.length);
  trees.set(items, tree);
  return tree;

  function subtree(from: number, count: number): Subtree {
    if (count === 1) {
      const item = must(items[from], 'a leaf of the tree');
      return { hash: leafHash(item, sha256), count, parts: null };
    }
    const split = splitOf(count);
    const [left, right] = [subtree(from, split), subtree(from + split, count - split)];
    return { hash: innerHash(left.hash, right.hash, sha256), count, parts: [left, right] };
  }
}

/** A leaf's place in a tree, and what proves it. */
export interface Inclusion {
  /** H(0 ‖ data) of the leaf. */
  readonly leaf: Uint8Array;
  readonly index: number;
  /** Leaves of the whole tree. */
  readonly size: number;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Does `path` lead from the leaf at `index` of `size` to `root` (RFC 9162 §2.1.3.2)? Never throws. */
export function verifyInclusion(
  { leaf, index, size, path, root }: Inclusion,
  sha256: Sha256,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size)) return false;
  if (index < 0 || index >= size) return false;
  let place = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = innerHash(sibling, hash, sha256);
      // Where no right sibling is, the node rises until it is one itself.
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = innerHash(hash, sibling, sha256);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && bytesEqual(hash, root);
}
