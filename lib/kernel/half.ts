const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** The binary16 nearest to a number, ties to even; past 65 504 infinite. */
export function toHalfBits(value: number): number {
  single[0] = value;
  const bits = word[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00;
  if (rest >= 0x47800000) return sign | 0x7c00;
  if (rest < 0x38800000) {
    // Subnormal: whole steps of 2⁻²⁴, which the fp32 addition rounds to even.
    single[0] = Math.abs(value) + 0.5;
    return sign | ((word[0] ?? 0) - 0x3f000000);
  }
  // Exponents differ by 112; half of a step, less where the kept part is even, rounds.
  const odd = (rest >>> 13) & 1;
  return sign | ((rest - 0x38000000 + 0xfff + odd) >>> 13);
}

/** The number that 16 bits of an IEEE 754 binary16 stand for; exact. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
