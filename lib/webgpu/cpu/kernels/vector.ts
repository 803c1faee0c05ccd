/** Vector arithmetic shared by the kernels: + − × ÷ √ only, in one order, so equal everywhere. */

/** Adding and taking away 1.5·2²³ rounds |x| < 2²² to the nearest integer, ties to even. */
export const ROUNDER: f32 = 12582912;

/**
 * What loops add and multiply by, four lanes each. Loaded and not `splat`: V8 builds a constant anew
 * at each use.
 */
const CONSTANTS: usize = memory.data<f32>(
  [
    12582912, 12582912, 12582912, 12582912,
    -60, -60, -60, -60,
    9.666368515392817e-3, 9.666368515392817e-3, 9.666368515392817e-3, 9.666368515392817e-3,
    5.592197584225742e-2, 5.592197584225742e-2, 5.592197584225742e-2, 5.592197584225742e-2,
    2.402234903802027e-1, 2.402234903802027e-1, 2.402234903802027e-1, 2.402234903802027e-1,
    6.931210452034269e-1, 6.931210452034269e-1, 6.931210452034269e-1, 6.931210452034269e-1,
    1, 1, 1, 1,
    -87, -87, -87, -87,
    88, 88, 88, 88,
    1.44269504088896341, 1.44269504088896341, 1.44269504088896341, 1.44269504088896341,
    0.693359375, 0.693359375, 0.693359375, 0.693359375,
    2.12194440e-4, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4,
    1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
    1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
    8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
    4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
    1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
    5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
    32767, 32767, 32767, 32767,
    1e-30, 1e-30, 1e-30, 1e-30,
  ],
  16,
);

@inline
function constant(index: usize): v128 {
  return v128.load(CONSTANTS + index * 16);
}

/** Each lane, |x| < 2²², to the nearest integer. */
@inline
export function roundToInt(x: v128): v128 {
  return i32x4.sub(f32x4.add(x, constant(0)), constant(0));
}

/** Sum of the lanes, always (0 + 2) + (1 + 3). */
@inline
export function sumLanes(a: v128): f32 {
  const pairs = f32x4.add(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/**
 * The largest of the lanes, in all lanes. Nothing here takes a lane out to compare or choose: a
 * scalar `max` is a branch in V8, and half of those on data are guessed wrong.
 */
@inline
export function maxLanes(a: v128): v128 {
  const pairs = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.pmax(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2));
}

/**
 * 32767 / `most`, what values up to `most` are multiplied with to be int16. Of less than 10⁻³⁰ it
 * would be no number: that counts as zero.
 */
@inline
export function inverseOf(most: v128): v128 {
  return orZero(most, f32x4.div(constant(18), most));
}

/** What one of 32767 steps to `most` is. */
@inline
export function stepOf(most: v128): v128 {
  return orZero(most, f32x4.div(most, constant(18)));
}

@inline
function orZero(most: v128, x: v128): v128 {
  return v128.and(x, f32x4.gt(most, constant(19)));
}

/**
 * e^x by lanes, relative error < 2·10⁻⁷; x is clamped to [−87, 88].
 * Cephes' expf: n = round(x / ln 2), a polynomial on x − n·ln 2, then n added to the exponent.
 */
@inline
export function exp(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, constant(7)), constant(8));
  const shifted = f32x4.add(f32x4.mul(clamped, constant(9)), constant(0));
  const n = f32x4.sub(shifted, constant(0));
  let r = f32x4.sub(clamped, f32x4.mul(n, constant(10)));
  r = f32x4.add(r, f32x4.mul(n, constant(11)));
  let p = f32x4.add(f32x4.mul(constant(12), r), constant(13));
  p = f32x4.add(f32x4.mul(p, r), constant(14));
  p = f32x4.add(f32x4.mul(p, r), constant(15));
  p = f32x4.add(f32x4.mul(p, r), constant(16));
  p = f32x4.add(f32x4.mul(p, r), constant(17));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), constant(6));
  // The low bits of `shifted` are n in two's complement; the shift drops the rest.
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/**
 * 2^x by lanes for x ≤ 0, relative error < 4·10⁻⁶, a quarter of what rounding to int16 takes from the
 * largest; below −60 that of −60, so that no product with a weight is subnormal, which is slow. A
 * polynomial on x − n, n = round(x), of degree four through Chebyshev's nodes; then n is added to the
 * exponent.
 */
@inline
export function exp2(x: v128): v128 {
  const clamped = f32x4.pmax(x, constant(1));
  const shifted = f32x4.add(clamped, constant(0));
  const r = f32x4.sub(clamped, f32x4.sub(shifted, constant(0)));
  let p = f32x4.add(f32x4.mul(constant(2), r), constant(3));
  p = f32x4.add(f32x4.mul(p, r), constant(4));
  p = f32x4.add(f32x4.mul(p, r), constant(5));
  p = f32x4.add(f32x4.mul(p, r), constant(6));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** Four values of a half-precision word each in the upper 16 bits of the lanes, as fp32. */
@inline
export function halfToFloat(upper: v128): v128 {
  const bits = v128.and(i32x4.shr_s(upper, 3), i32x4.splat(0x8fffe000));
  // The exponent moved down by 112: one multiplication corrects it, subnormals too.
  return f32x4.mul(bits, f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** One half-precision word as fp32 (finite values). */
@inline
export function halfToFloat1(half: u32): f32 {
  const bits = ((half & 0x8000) << 16) | ((half & 0x7fff) << 13);
  return reinterpret<f32>(bits) * reinterpret<f32>(0x77800000);
}
