import type { SamplingParams } from '#lib/webgpu/sampling/params.ts';

/** The sampler (S8) once more, the slow way: a full sort, `Math.exp`, Philox in big integers. */

export interface Candidate {
  readonly id: number;
  readonly probability: number;
}

/** Likeliest first, ties to the lowest id. */
export const ranked = (logits: Float32Array): Int32Array =>
  Int32Array.from(logits.keys()).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);

/**
 * What may be drawn: temperature, then top-k, then the smallest set that reaches top-p, as
 * probabilities that make up 1. In order of rank where anything was cut off, else in order of ids:
 * in this order they lie between 0 and 1. Temperature must be above 0.
 */
export function distributionOf(
  logits: Float32Array,
  { temperature, topK, topP }: Pick<SamplingParams, 'temperature' | 'topK' | 'topP'>,
): Candidate[] {
  const order = ranked(logits);
  const best = logits[order[0] ?? 0] ?? 0;
  const weigh = (id: number): number => Math.exp(((logits[id] ?? 0) - best) / temperature);
  let kept: readonly number[] = [...(topK > 0 ? order.slice(0, topK) : order)];
  if (topP < 1) {
    const all = kept.reduce((sum, id) => sum + weigh(id), 0);
    let sum = 0;
    const last = kept.findIndex((id) => (sum += weigh(id)) >= topP * all * (1 - 1e-12));
    kept = kept.slice(0, last + 1);
  } else if (topK === 0) {
    kept = [...logits.keys()];
  }
  const total = kept.reduce((sum, id) => sum + weigh(id), 0);
  return kept.map((id) => ({ id, probability: weigh(id) / total }));
}

/** The token at `index` of an answer, by the definition. */
export function drawSlowly(logits: Float32Array, params: SamplingParams, index: number): number {
  if (params.temperature === 0) return ranked(logits)[0] ?? 0;
  const candidates = distributionOf(logits, params);
  let left = uniformSlowly(params, index);
  for (const { id, probability } of candidates) {
    left -= probability;
    if (left < 0) return id;
  }
  return candidates.at(-1)?.id ?? 0;
}

const WORD = 0xffff_ffffn;

/** In [0, 1): 53 bits of Philox-4×32-10 at the counter (index, choice) under the seed. */
function uniformSlowly({ seed, choice }: SamplingParams, index: number): number {
  let key: readonly [bigint, bigint] = [BigInt(seed) & WORD, BigInt(seed) >> 32n];
  let c: readonly [bigint, bigint, bigint, bigint] = [BigInt(index), BigInt(choice), 0n, 0n];
  for (let round = 0; round < 10; round += 1) {
    const [p, q] = [c[0] * 0xd251_1f53n, c[2] * 0xcd9e_8d57n];
    c = [(q >> 32n) ^ c[1] ^ key[0], q & WORD, (p >> 32n) ^ c[3] ^ key[1], p & WORD];
    key = [(key[0] + 0x9e37_79b9n) & WORD, (key[1] + 0xbb67_ae85n) & WORD];
  }
  return Number(((c[0] >> 5n) << 26n) | (c[1] >> 6n)) / 2 ** 53;
}
