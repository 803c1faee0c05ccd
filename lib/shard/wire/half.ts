/** IEEE 754 binary32 → binary16, for frames whose route names `f16` (S9). */

const words = new Uint32Array(1);
const float = new Float32Array(words.buffer);

const LARGEST_BITS = 0x7bff;

/**
 * The bits of the nearest half, ties to even. What is larger than 65 504 becomes 65 504: an
 * infinity would be refused by the receiver (M4), and activations never carry meaning there.
 */
export function toHalfBits(value: number): number {
  float[0] = value;
  const bits = words[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | LARGEST_BITS;
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 0.5 leaves the value, rounded to even at 2⁻²⁴, in the low bits.
    words[0] = magnitude;
    float[0] = float[0] + 0.5;
    return sign | (words[0] - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}
