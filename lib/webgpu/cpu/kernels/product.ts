import { Tensor, isBlockType, range } from './range';
import { productExact } from './product-exact';
import { productInt16 } from './product-int16';

/** out = prepared input · tᵀ, by the numerics of the range and the tensor's type. */
export function product(t: Tensor, rows: i32, out: usize): void {
  if (range().int16 && isBlockType(t.type)) productInt16(t, rows, out);
  else productExact(t, rows, out);
}
