const LOG2_E = 1.4426950408889634;
/** ln 2 in two parts; the first has 32 bits, so that n · LN2_HIGH is exact. */
const LN2_HIGH = 6.93147180369123816e-1;
const LN2_LOW = 1.9082149292705877e-10;
/** Below this `expNegative` is 0: a token of e⁻⁶⁰ of the best one's weight is never drawn. */
export const EXP_FLOOR = -60;

const POWERS = Float64Array.from({ length: 90 }, (_, n) => 1 / 2 ** n);
/**
 * e^x for x ≤ 0 by + − × ÷ alone: `Math.exp` differs between browsers, and a failover from one to
 * another would change a seeded token (S8).
 */
export function expNegative(x: number): number {
  if (!(x > EXP_FLOOR)) return 0;
  const n = Math.floor(x * LOG2_E + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  return taylor(r) * (POWERS[-n] as number);
}

/** Σ rⁿ / n! up to n = 13, Horner's way: good to 2⁻⁵³ on |r| ≤ ln 2 / 2. */
function taylor(r: number): number {
  let p = r / 6_227_020_800 + 1 / 479_001_600;
  p = p * r + 1 / 39_916_800;
  p = p * r + 1 / 3_628_800;
  p = p * r + 1 / 362_880;
  p = p * r + 1 / 40_320;
  p = p * r + 1 / 5040;
  p = p * r + 1 / 720;
  p = p * r + 1 / 120;
  p = p * r + 1 / 24;
  p = p * r + 1 / 6;
  p = p * r + 1 / 2;
  p = p * r + 1;
  return p * r + 1;
}
