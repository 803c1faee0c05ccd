import { toHalfBits } from '#lib/kernel/half.ts';

/** IEEE 754 binary32 → binary16, for frames whose route names `f16` (S9). */

const INFINITY_BITS = 0x7c00;
const LARGEST_BITS = 0x7bff;

/**
 * The bits of the nearest half that is finite. What is larger than 65 504 becomes 65 504: an infinity
 * would be refused by the receiver (M4), and activations never carry meaning there.
 */
export function toFiniteHalfBits(value: number): number {
  const bits = toHalfBits(value);
  return (bits & 0x7fff) === INFINITY_BITS ? (bits & 0x8000) | LARGEST_BITS : bits;
}
