import { halfValue } from './half.ts';
import type { BlockPlace } from './source-types.ts';

/**
 * The parts of ggml's K-quants (ggml-quants.c, `dequantize_row_q4_K` …). A block of 256 values
 * of Q4_K and Q5_K is eight runs of 32, each `scale · q − min` with scale and min of six bits:
 * `run` 0–7, `i` 0–31.
 */
export const RUNS = 8;
const SCALES_AT = 4;

export function runScale({ view, at }: BlockPlace, run: number): number {
  return halfValue(view.getUint16(at, true)) * sixBits(view, at + SCALES_AT, run).scale;
}

export function runMin({ view, at }: BlockPlace, run: number): number {
  return halfValue(view.getUint16(at + 2, true)) * sixBits(view, at + SCALES_AT, run).min;
}

/** `get_scale_min_k4`: the upper four pairs keep their two high bits in the lower four's bytes. */
function sixBits(view: DataView, at: number, run: number): { scale: number; min: number } {
  const byte = (index: number): number => view.getUint8(at + index);
  if (run < 4) return { scale: byte(run) & 63, min: byte(run + 4) & 63 };
  return {
    scale: (byte(run + 4) & 15) | ((byte(run - 4) >> 6) << 4),
    min: (byte(run + 4) >> 4) | ((byte(run) >> 6) << 4),
  };
}

/** Two runs share 32 bytes: the first has the low halves. */
const nibble = (byte: number, run: number): number => (run % 2 === 0 ? byte & 15 : byte >> 4);

/** The 0–15 of Q4_K. */
export const q4kQuant = ({ view, at }: BlockPlace, run: number, i: number): number =>
  nibble(view.getUint8(at + 16 + (run >> 1) * 32 + i), run);

/** The 0–31 of Q5_K: the fifth bits of all runs lie before the nibbles, one bit a run. */
export function q5kQuant({ view, at }: BlockPlace, run: number, i: number): number {
  const fifth = (view.getUint8(at + 16 + i) >> run) & 1;
  return nibble(view.getUint8(at + 48 + (run >> 1) * 32 + i), run) + 16 * fifth;
}

/** Scale of Q6_K's run of 16 values, 0–15. */
export const q6kScale = ({ view, at }: BlockPlace, run: number): number =>
  halfValue(view.getUint16(at + 208, true)) * view.getInt8(at + 192 + run);

/** Q6_K's value `index` of 256: −32 … 31 times its run's scale. */
export function q6kValue(block: BlockPlace, index: number): number {
  const { view, at } = block;
  const half = index >> 7;
  const quarter = (index >> 5) & 3;
  const i = index & 31;
  const low = view.getUint8(at + half * 64 + (quarter % 2) * 32 + i);
  const high = (view.getUint8(at + 128 + half * 32 + i) >> (2 * quarter)) & 3;
  const q = (quarter < 2 ? low & 15 : low >> 4) + 16 * high - 32;
  return q6kScale(block, index >> 4) * q;
}
