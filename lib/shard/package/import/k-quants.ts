import { byteAt, halfAt, type Quants } from './block-bytes.ts';
import type { BlockPlace } from './source-types.ts';

/**
 * The parts of ggml's K-quants (ggml-quants.c, `dequantize_row_q4_K` …). A block of 256 values
 * of Q4_K and Q5_K is eight runs of 32, each `scale · q − min` with scale and min of six bits.
 */
export const RUNS = 8;
const SCALES_AT = 4;

export function runScale({ bytes, at }: BlockPlace, run: number): number {
  return halfAt(bytes, at) * scaleBits(bytes, at + SCALES_AT, run);
}

export function runMin({ bytes, at }: BlockPlace, run: number): number {
  return halfAt(bytes, at + 2) * minBits(bytes, at + SCALES_AT, run);
}

/** `get_scale_min_k4`: the upper four pairs keep their two high bits in the lower four's bytes. */
const scaleBits = (bytes: Uint8Array, at: number, run: number): number =>
  run < 4
    ? byteAt(bytes, at + run) & 63
    : (byteAt(bytes, at + run + 4) & 15) | ((byteAt(bytes, at + run - 4) >> 6) << 4);

const minBits = (bytes: Uint8Array, at: number, run: number): number =>
  run < 4
    ? byteAt(bytes, at + run + 4) & 63
    : (byteAt(bytes, at + run + 4) >> 4) | ((byteAt(bytes, at + run) >> 6) << 4);

/** The 0–15 of a run of Q4_K: two runs share 32 bytes, the first has the low halves. */
export function readQ4KRun({ bytes, at }: BlockPlace, run: number, quants: Quants): void {
  const [from, shift] = [at + 16 + (run >> 1) * 32, (run & 1) * 4];
  for (let i = 0; i < 32; i += 1) quants[i] = (byteAt(bytes, from + i) >> shift) & 15;
}

/** The 0–31 of a run of Q5_K: the fifth bits of all runs lie before the nibbles, one bit a run. */
export function readQ5KRun({ bytes, at }: BlockPlace, run: number, quants: Quants): void {
  const [from, shift] = [at + 48 + (run >> 1) * 32, (run & 1) * 4];
  for (let i = 0; i < 32; i += 1) {
    const fifth = (byteAt(bytes, at + 16 + i) >> run) & 1;
    quants[i] = ((byteAt(bytes, from + i) >> shift) & 15) + 16 * fifth;
  }
}

/** Scale of Q6_K's run of 16 values, 0–15. */
export const q6kScale = ({ bytes, at }: BlockPlace, run: number): number =>
  halfAt(bytes, at + 208) * ((byteAt(bytes, at + 192 + run) << 24) >> 24);

/** The values of 32 of Q6_K, `run` 0–7: −32 … 31 times the scale of each sixteen. */
export function readQ6KRun(block: BlockPlace, run: number, out: Float32Array): void {
  const { bytes, at } = block;
  const [half, quarter] = [run >> 2, run & 3];
  const low = at + half * 64 + (quarter & 1) * 32;
  const high = at + 128 + half * 32;
  const scales = [q6kScale(block, 2 * run), q6kScale(block, 2 * run + 1)] as const;
  for (let i = 0; i < 32; i += 1) {
    const four = (byteAt(bytes, low + i) >> (quarter < 2 ? 0 : 4)) & 15;
    const two = (byteAt(bytes, high + i) >> (2 * quarter)) & 3;
    out[i] = (i < 16 ? scales[0] : scales[1]) * (four + 16 * two - 32);
  }
}
