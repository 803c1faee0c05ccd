import { isBF16, isBlock, isBytes, isF32 } from './formats';
import { halfToFloat } from './vector';

/*
 * Packed weights as fp32 vectors of four output rows, without scale and minimum. Both exact
 * kernels read weights through these, so that they agree to the bit.
 */

/** What `columnOf` shares between the columns of a run: the words of nibbles. */
@inline
export function runOf<T>(p: usize): v128 {
  return !isBlock<T>() || isBytes<T>() ? i32x4.splat(0) : v128.load(p);
}

/** Column `step` (0 … 7) of the run of eight columns at `p`, whose nibbles are `run`. */
@inline
export function columnOf<T>(step: i32, run: v128, p: usize): v128 {
  if (isF32<T>()) return v128.load(p + <usize>step * 16);
  if (!isBlock<T>()) return halfOf<T>(step & 1, v128.load(p + <usize>(step >> 1) * 16));
  if (isBytes<T>()) {
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
  if (!isBlock<T>()) return 64;
  return isBytes<T>() ? 32 : 16;
}

/** Column `col` of rows without blocks whose width is no multiple of eight. */
@inline
export function looseColumn<T>(col: usize, p: usize): v128 {
  if (isF32<T>()) return v128.load(p + col * 16);
  return halfOf<T>(<i32>col & 1, v128.load(p + (col >> 1) * 16));
}

/** The even (0) or odd (1) column of a pair of 16-bit columns, the lower half of a word first. */
@inline
function halfOf<T>(odd: i32, words: v128): v128 {
  if (!isBF16<T>()) return halfToFloat(odd ? words : i32x4.shl(words, 16));
  return odd ? v128.and(words, i32x4.splat(0xffff0000)) : i32x4.shl(words, 16);
}
