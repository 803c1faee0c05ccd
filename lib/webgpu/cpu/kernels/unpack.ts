import { F16, F32, Q8_0 } from './range';
import { halfToFloat } from './vector';

/*
 * Packed weights as fp32 vectors of four output rows, without scale and minimum. Both exact
 * kernels read weights through these, so that they agree to the bit.
 */

/** Column `step` (0 … 7) of the run of eight columns whose packed words lie at `p`. */
@inline
export function columnOf(type: i32, step: i32, p: usize): v128 {
  if (type == F32) return v128.load(p + <usize>step * 16);
  if (type == F16) {
    const words = v128.load(p + <usize>(step >> 1) * 16);
    return halfToFloat(step & 1 ? words : i32x4.shl(words, 16));
  }
  if (type == Q8_0) {
    const words = v128.load8x8_s(p + <usize>(step >> 1) * 8);
    return f32x4.convert_i32x4_s(i32x4.shr_s(step & 1 ? words : i32x4.shl(words, 16), 16));
  }
  return nibbleColumn(step, v128.load(p));
}

/** Column `step` of a run of nibble weights. */
@inline
export function nibbleColumn(step: i32, words: v128): v128 {
  const shift = (step >> 1) * 4 + (step & 1) * 16;
  const nibbles = shift == 0 ? words : i32x4.shr_u(words, shift);
  return f32x4.convert_i32x4_s(shift == 28 ? nibbles : v128.and(nibbles, i32x4.splat(15)));
}

/** Bytes of a run of eight columns of four output rows. */
@inline
export function runBytes(type: i32): usize {
  if (type == F32) return 128;
  if (type == F16) return 64;
  return type == Q8_0 ? 32 : 16;
}

/** Column `col` of F32 and F16 rows whose width is no multiple of eight. */
@inline
export function looseColumn(type: i32, col: usize, p: usize): v128 {
  if (type == F32) return v128.load(p + col * 16);
  const words = v128.load(p + (col >> 1) * 16);
  return halfToFloat(col & 1 ? words : i32x4.shl(words, 16));
}
