import type { SamplingParams, TokenHistory } from '#lib/webgpu/sampling/params.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';

/** The sampler (S8) once more, the slow way: a full sort, `Math.exp`, Philox in big integers. */

export interface Candidate {
  readonly id: number;
  readonly probability: number;
}

/** Likeliest first, ties to the lowest id. */
export const ranked = (logits: Float32Array): Int32Array =>
  Int32Array.from(logits.keys()).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);

type Cut = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP' | 'typicalP'>;

/**
 * What may be drawn: temperature, then top-k, the smallest set that reaches top-p, what is likely
 * enough for min-p, and the most typical, as probabilities that make up 1. In the order of the last
 * cut that sorts, else in order of ids: in this order they lie between 0 and 1. Temperature must be
 * above 0.
 */
export function distributionOf(logits: Float32Array, cut: Cut): Candidate[] {
  const { temperature, topK, topP, minP, typicalP } = cut;
  const order = ranked(logits);
  const best = logits[order[0] ?? 0] ?? 0;
  const weigh = (id: number): number => Math.exp(((logits[id] ?? 0) - best) / temperature);
  const shares = (ids: readonly number[]): Candidate[] => {
    const total = ids.reduce((sum, id) => sum + weigh(id), 0);
    return ids.map((id) => ({ id, probability: weigh(id) / total }));
  };
  const isSorted = topK > 0 || topP < 1;
  let kept: readonly number[] = [...(isSorted ? order : logits.keys())];
  if (topK > 0) kept = kept.slice(0, topK);
  if (topP < 1) kept = reaching(shares(kept), topP);
  if (minP > 0) kept = kept.filter((id) => weigh(id) >= minP);
  if (typicalP < 1) kept = reaching(byTypicality(shares(kept)), typicalP);
  return shares(kept);
}

/** The first ones that have a share together. */
function reaching(shares: readonly Candidate[], share: number): number[] {
  let sum = 0;
  const last = shares.findIndex(({ probability }) => (sum += probability) >= share * (1 - 1e-12));
  return shares.slice(0, last + 1).map(({ id }) => id);
}

/** Sorted by how far −ln p is from its mean, the entropy; ties to the lowest id. */
function byTypicality(shares: readonly Candidate[]): Candidate[] {
  const entropy = -shares.reduce(
    (sum, { probability: p }) => sum + (p > 0 ? p * Math.log(p) : 0),
    0,
  );
  const far = ({ probability }: Candidate): number =>
    Math.fround(Math.abs(-Math.log(probability) - entropy));
  return [...shares].sort((a, b) => far(a) - far(b) || a.id - b.id);
}

/** Logits after bias, repetition, presence and frequency, one id after the other. */
export function penalisedSlowly(
  logits: Float32Array,
  { penalties }: SamplingParams,
  { promptIds, answerIds }: TokenHistory,
): Float32Array {
  if (!penalties) return logits;
  const { repetition, presence, frequency, bias } = penalties;
  return logits.map((logit, id) => {
    let value = Math.fround(logit + (bias.find(([biased]) => biased === id)?.[1] ?? 0));
    const times = answerIds.filter((said) => said === id).length;
    if (times > 0 || promptIds.includes(id)) {
      value = Math.fround(value > 0 ? value / repetition : value * repetition);
    }
    return times > 0 ? value - presence - frequency * times : value;
  });
}

/** Whether a mask lets an id come; no mask lets all. */
const isAllowed = (id: number, allowed?: Uint32Array): boolean =>
  allowed === undefined ||
  Math.floor((allowed[Math.floor(id / 32)] ?? 0) / 2 ** (id % 32)) % 2 === 1;

/** The token at a point of an answer, by the definition. */
export function drawSlowly(
  original: Float32Array,
  params: SamplingParams,
  { index, history, allowed }: SamplePoint,
): number {
  const logits = penalisedSlowly(original, params, history).map((logit, id) =>
    isAllowed(id, allowed) ? logit : -Infinity,
  );
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
