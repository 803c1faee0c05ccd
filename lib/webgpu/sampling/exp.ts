const LOG2_E = 1.4426950408889634;
/** ln 2 in two parts; the first has 32 bits, so that n · LN2_HIGH is exact. */
const LN2_HIGH = 6.93147180369123816e-1;
const LN2_LOW = 1.9082149292705877e-10;
/** Below this `expNegative` is 0: a token of e⁻⁶⁰ of the best one's weight is never drawn. */
export const EXP_FLOOR = -60;

const POWERS = Float64Array.from({ length: 90 }, (_, n) => 1 / 2 ** n);
/** 1 / n!, highest first: a Taylor polynomial on |r| ≤ ln 2 / 2 is good to 2⁻⁵³. */
const TAYLOR = inverseFactorials(13).reverse();

function inverseFactorials(count: number): number[] {
  const out = [1];
  for (let n = 1; n <= count; n += 1) out.push((out[n - 1] ?? 0) / n);
  return out;
}

/**
 * e^x for x ≤ 0 by + − × ÷ alone: `Math.exp` differs between browsers, and a failover from one to
 * another would change a seeded token (S8).
 */
export function expNegative(x: number): number {
  if (!(x > EXP_FLOOR)) return 0;
  const n = Math.floor(x * LOG2_E + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let p = 0;
  for (const factor of TAYLOR) p = p * r + factor;
  return p * (POWERS[-n] ?? 0);
}
