import { invariant, must } from '#lib/kernel/assert.ts';
import { innerHash, splitOf } from './merkle.ts';
import type { Sha256 } from './sha256.ts';

/**
 * A Merkle mountain range: a list that only grows, known by the roots of its perfect subtrees. Its
 * peaks, bagged from the right, are the root that `merkle.ts` gives for the same list, so a path into
 * it is checked by `verifyInclusion`. Append costs O(log n) hashes and keeps O(log n) bytes.
 */
export interface MountainRange {
  readonly size: number;
  /** Roots of perfect subtrees, the largest first: one for each bit of `size`. */
  readonly peaks: readonly Uint8Array[];
}

export const EMPTY_RANGE: MountainRange = { size: 0, peaks: [] };

/** The root of the perfect subtree over leaves index · 2^level … (index + 1) · 2^level − 1. */
export interface RangeNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

/**
 * The range with one leaf more, and the perfect subtrees that this completed: who wants to prove old
 * leaves keeps them.
 * @param leaf H(0 ‖ data), 32 bytes.
 */
export function appendLeaf(
  range: MountainRange,
  leaf: Uint8Array,
  sha256: Sha256,
): { readonly range: MountainRange; readonly made: readonly RangeNode[] } {
  const peaks = [...range.peaks];
  let node: RangeNode = { level: 0, index: range.size, hash: leaf };
  const made = [node];
  while (node.index % 2 === 1) {
    const left = must(peaks.pop(), 'a peak for each set bit of the size');
    const hash: Uint8Array = innerHash(left, node.hash, sha256);
    node = { level: node.level + 1, index: (node.index - 1) / 2, hash };
    made.push(node);
  }
  return { range: { size: range.size + 1, peaks: [...peaks, node.hash] }, made };
}

export function rangeRoot(range: MountainRange, sha256: Sha256): Uint8Array {
  if (range.size === 0) return sha256(new Uint8Array(0));
  return range.peaks.reduceRight((right, peak) => innerHash(peak, right, sha256));
}

/** Where kept subtrees are read from. */
export type NodeAt = (level: number, index: number) => Uint8Array;

/** The path of the leaf at `index` in the range of `size` leaves, nearest sibling first. */
export function rangePath(
  place: { readonly index: number; readonly size: number },
  nodeAt: NodeAt,
  sha256: Sha256,
): Uint8Array[] {
  invariant(place.index >= 0 && place.index < place.size, 'the index of a leaf');
  const path: Uint8Array[] = [];
  let [from, count] = [0, place.size];
  while (count > 1) {
    const split = splitOf(count);
    if (place.index < from + split) {
      path.push(subtree(from + split, count - split));
      count = split;
    } else {
      path.push(subtree(from, split));
      from += split;
      count -= split;
    }
  }
  return path.reverse();

  function subtree(start: number, length: number): Uint8Array {
    const level = Math.log2(length);
    if (Number.isInteger(level)) return nodeAt(level, start / length);
    const split = splitOf(length);
    return innerHash(subtree(start, split), subtree(start + split, length - split), sha256);
  }
}
