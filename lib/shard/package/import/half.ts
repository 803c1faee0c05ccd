import { fromHalfBits } from '#lib/kernel/half.ts';

/** IEEE 754 binary16: bits to value exactly, value to the nearest bits. */
const VALUES = Float32Array.from({ length: 1 << 16 }, (_, bits) => fromHalfBits(bits));

/** The value of sixteen bits; exact. */
export const halfValue = (bits: number): number => VALUES[bits] ?? NaN;

const INFINITE = 0x7c00;
const NOT_A_NUMBER = 0x7e00;
const scratch = new DataView(new ArrayBuffer(8));
/** 2 to the power of 10 less the exponent, by 15 less the exponent (15 … −14). */
const POWERS = Float64Array.from({ length: 30 }, (_, i) => 2 ** (i - 5));

/**
 * The bits nearest to a double, ties to even; beyond 65 519.99 infinity. Rounded once and by
 * arithmetic on powers of two alone, so that every machine gives the same bits.
 */
export function halfBits(value: number): number {
  if (Number.isNaN(value)) return NOT_A_NUMBER;
  scratch.setFloat64(0, value);
  const high = scratch.getUint32(0);
  const sign = (high >>> 16) & 0x8000;
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, -14);
  if (exponent > 15) return sign | INFINITE;
  // In units of the last place: below 2¹⁰ where subnormal, else 2¹⁰ … 2¹¹; a carry is right as it is.
  const units = roundEven(Math.abs(value) * (POWERS[15 - exponent] ?? NaN));
  return sign | (((exponent + 14) << 10) + units);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
