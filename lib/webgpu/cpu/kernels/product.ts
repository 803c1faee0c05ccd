import { Tensor, isBlockType, range, roundUp4 } from './range';
import { productExact } from './product-exact';
import { productInt16 } from './product-int16';

/**
 * out [rows × t.rows] = prepared input · tᵀ, by the numerics of the range and the tensor's type.
 * `out` has room for rows of `t.rows` rounded up to 4: the products write whole vectors.
 */
export function product(t: Tensor, rows: i32, out: usize): void {
  if (range().int16 && isBlockType(t.type)) productInt16(t, rows, out);
  else productExact(t, rows, out);
  if (t.rows != roundUp4(t.rows)) closeGaps(t.rows, rows, out);
}

function closeGaps(cols: usize, rows: usize, out: usize): void {
  const padded = <usize>roundUp4(<i32>cols) * 4;
  for (let row: usize = 1; row < rows; row++) {
    memory.copy(out + row * cols * 4, out + row * padded, cols * 4);
  }
}
