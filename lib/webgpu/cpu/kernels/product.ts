import { Tensor, isBlockType, range, roundUp4 } from './range';
import { productExact } from './product-exact';
import { productInt16 } from './product-int16';

/** Groups of four output rows of a matrix; the last may be short. */
@inline
export function groupsOf(t: Tensor): i32 {
  return roundUp4(t.rows) / 4;
}

/**
 * out [rows × t.rows, rounded up to 4] = prepared input · tᵀ, by the numerics of the range and the
 * tensor's type: of the output rows only groups `from` to `to`. Then `closeGaps`, once all are there.
 */
export function product(t: Tensor, rows: i32, out: usize, from: i32, to: i32): void {
  if (range().int16 && isBlockType(t.type)) productInt16(t, rows, out, from, to);
  else productExact(t, rows, out, from, to);
}

/** [rows × t.rows, rounded up to 4] → [rows × t.rows]: products write whole vectors. */
@inline
export function closeGaps(t: Tensor, rows: i32, out: usize): void {
  if (t.rows != roundUp4(t.rows)) moveTogether(t.rows, rows, out);
}

function moveTogether(cols: usize, rows: usize, out: usize): void {
  const padded = <usize>roundUp4(<i32>cols) * 4;
  for (let row: usize = 1; row < rows; row++) {
    memory.copy(out + row * cols * 4, out + row * padded, cols * 4);
  }
}
