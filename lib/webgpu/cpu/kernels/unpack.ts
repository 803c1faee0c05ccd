import { isF16, isF32, isQ80 } from './formats';
import { halfToFloat } from './vector';

/*
 * Packed weights as fp32 vectors of four output rows, without scale and minimum. Both exact
 * kernels read weights through these, so that they agree to the bit.
 */

/** What `columnOf` shares between the columns of a run: the words of nibbles. */
@inline
export function runOf<T>(p: usize): v128 {
  return isF32<T>() || isF16<T>() || isQ80<T>() ? i32x4.splat(0) : v128.load(p);
}

/** Column `step` (0 … 7) of the run of eight columns at `p`, whose nibbles are `run`. */
@inline
export function columnOf<T>(step: i32, run: v128, p: usize): v128 {
  if (isF32<T>()) return v128.load(p + <usize>step * 16);
  if (isF16<T>()) {
    const words = v128.load(p + <usize>(step >> 1) * 16);
    return halfToFloat(step & 1 ? words : i32x4.shl(words, 16));
  }
  if (isQ80<T>()) {
    const words = v128.load8x8_s(p + <usize>(step >> 1) * 8);
    return f32x4.convert_i32x4_s(i32x4.shr_s(step & 1 ? words : i32x4.shl(words, 16), 16));
  }
  const shift = (step >> 1) * 4 + (step & 1) * 16;
  const nibbles = shift == 0 ? run : i32x4.shr_u(run, shift);
  return f32x4.convert_i32x4_s(shift == 28 ? nibbles : v128.and(nibbles, i32x4.splat(15)));
}

/** Bytes of a run of eight columns of four output rows. */
@inline
export function runBytes<T>(): usize {
  if (isF32<T>()) return 128;
  if (isF16<T>()) return 64;
  return isQ80<T>() ? 32 : 16;
}

/** Column `col` of F32 and F16 rows whose width is no multiple of eight. */
@inline
export function looseColumn<T>(col: usize, p: usize): v128 {
  if (isF32<T>()) return v128.load(p + col * 16);
  const words = v128.load(p + (col >> 1) * 16);
  return halfToFloat(col & 1 ? words : i32x4.shl(words, 16));
}
