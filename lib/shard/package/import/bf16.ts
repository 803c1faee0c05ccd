/**
 * BF16 as F32, exactly: the same sign, exponent and upper mantissa, sixteen zero bits below.
 * `bytes` holds whole values, little-endian; so does the result, twice as long.
 */
export function bf16ToF32(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length * 2);
  for (let from = 0, to = 2; from < bytes.length; from += 2, to += 4) {
    out[to] = bytes[from] ?? 0;
    out[to + 1] = bytes[from + 1] ?? 0;
  }
  return out;
}
