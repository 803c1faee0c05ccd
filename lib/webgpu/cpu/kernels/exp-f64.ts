/*
 * e^x for x ≤ 0 in doubles, as `../../sampling/exp.ts` computes it, to the bit: n = round(x / ln 2),
 * Taylor's series of x − n·ln 2, times 2ⁿ.
 */

const LOG2_E: f64 = 1.4426950408889634;
const LN2_HIGH: f64 = 6.93147180369123816e-1;
const LN2_LOW: f64 = 1.9082149292705877e-10;
const FLOOR: f64 = -60;
/** 1.5·2⁵²: the low bits of n + this are n in two's complement. */
const INTEGER: f64 = 6755399441055744;

/** Of both lanes; below −60, and of what is no number, 0. */
@inline
export function expNegatives(x: v128): v128 {
  const n = f64x2.floor(f64x2.add(f64x2.mul(x, f64x2.splat(LOG2_E)), f64x2.splat(0.5)));
  const high = f64x2.sub(x, f64x2.mul(n, f64x2.splat(LN2_HIGH)));
  const r = f64x2.sub(high, f64x2.mul(n, f64x2.splat(LN2_LOW)));
  let p = f64x2.add(f64x2.div(r, f64x2.splat(6227020800)), f64x2.splat(1.0 / 479001600));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 39916800));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 3628800));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 362880));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 40320));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 5040));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 720));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 120));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 24));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 6));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(0.5));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1));
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1));
  const exponent = i64x2.add(f64x2.add(n, f64x2.splat(INTEGER)), i64x2.splat(1023));
  const value = f64x2.mul(p, i64x2.shl(exponent, 52));
  return v128.and(value, f64x2.gt(x, f64x2.splat(FLOOR)));
}

@inline
export function expNegative(x: f64): f64 {
  return f64x2.extract_lane(expNegatives(f64x2.splat(x)), 0);
}
