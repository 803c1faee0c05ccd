import { must } from '#lib/kernel/assert.ts';

/** More likely first; of equal logits the lower id first (S8). */
const before = (logits: Float32Array, a: number, b: number): boolean => {
  const x = logits[a] as number;
  const y = logits[b] as number;
  return x > y || (x === y && a < b);
};

/**
 * Moves the `count` best of `ids` to its front, best first, and returns them: a quickselect, then
 * a sort of those alone. `ids` is reordered.
 */
export function takeTop(
  logits: Float32Array,
  ids: Int32Array<ArrayBuffer>,
  count: number,
): Int32Array<ArrayBuffer> {
  if (count < ids.length) select(logits, ids, count);
  return ids.subarray(0, count).sort((a, b) => (before(logits, a, b) ? -1 : 1));
}

/** Hoare's selection: afterwards no id past `count` comes before one of the first `count`. */
function select(logits: Float32Array, ids: Int32Array, count: number): void {
  let low = 0;
  let high = ids.length - 1;
  while (low < high) {
    const pivot = must(ids[(low + high) >> 1], 'the middle lies inside');
    let i = low;
    let j = high;
    while (i <= j) {
      while (before(logits, ids[i] as number, pivot)) i += 1;
      while (before(logits, pivot, ids[j] as number)) j -= 1;
      if (i > j) break;
      const swap = ids[i] as number;
      ids[i] = ids[j] as number;
      ids[j] = swap;
      i += 1;
      j -= 1;
    }
    if (count - 1 <= j) high = j;
    else if (count - 1 >= i) low = i;
    else return;
  }
}
