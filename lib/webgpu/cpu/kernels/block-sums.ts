/**
 * One nibble of each 16-bit lane, for three of the four. Loaded and not `splat`: V8 builds a
 * constant anew at each use, which costs a sixth of the one-row product.
 */
export const NIBBLE_MASKS: usize = memory.data<u16>(
  [
    0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
    0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0,
    0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00,
  ],
  16,
);

/** acc + the dot of a weight vector with the columns that `x` repeats. */
@inline
export function dotAdd(acc: v128, w: v128, x: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(w, x));
}

/** A block's integer sums for one input row. */
@inline
export function blockOfBytes(p: usize, x: usize): v128 {
  let a = i32x4.splat(0);
  for (let i = 0; i < 4; i++, p += 32, x += 16) {
    a = dotAdd(a, v128.load8x8_s(p), v128.load32_splat(x));
    a = dotAdd(a, v128.load8x8_s(p, 8), v128.load32_splat(x, 4));
    a = dotAdd(a, v128.load8x8_s(p, 16), v128.load32_splat(x, 8));
    a = dotAdd(a, v128.load8x8_s(p, 24), v128.load32_splat(x, 12));
  }
  return a;
}

/** The same of nibbles, left where they are: sums of q, 16·q and 256·q, shifted back once. */
@inline
export function blockOfNibbles(p: usize, x: usize, mask0: v128, mask1: v128, mask2: v128): v128 {
  let a = i32x4.splat(0);
  let b = a, c = a;
  for (let i = 0; i < 4; i++, p += 16, x += 16) {
    const n = v128.load(p);
    a = dotAdd(a, v128.and(n, mask0), v128.load32_splat(x));
    b = dotAdd(b, v128.and(n, mask1), v128.load32_splat(x, 4));
    c = dotAdd(c, v128.and(n, mask2), v128.load32_splat(x, 8));
    a = dotAdd(a, i16x8.shr_u(n, 12), v128.load32_splat(x, 12));
  }
  return i32x4.add(a, i32x4.add(i32x4.shr_s(b, 4), i32x4.shr_s(c, 8)));
}
