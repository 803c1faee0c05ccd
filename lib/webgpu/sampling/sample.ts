import { forbidOthers } from './allow.ts';
import { expNegative } from './exp.ts';
import type { SamplingParams, TokenHistory } from './params.ts';
import { penalise } from './penalise.ts';
import { philox, unitOf } from './philox.ts';
import { takeTop } from './top.ts';

/** Where in its answer a token stands, and what was said before it (S8). */
export interface SamplePoint {
  /** Index of the token in the answer, from 0. */
  readonly index: number;
  /** Read where there are penalties. */
  readonly history: TokenHistory;
  /** The ids a grammar lets come, id i in bit i % 32 of word i / 32; never none. Left out: all. */
  readonly allowed?: Uint32Array;
}

/** How many ids are sorted first when looking for the smallest set that has a probability. */
const FIRST_SET = 64;

/**
 * The next token's id (S8): a pure function, equal on every machine. Penalties change `logits` in
 * place; then temperature, top-k, top-p, min-p and typical over what is left, in transformers' order;
 * ties to the lowest id. What is not allowed is −∞ before anything is chosen.
 */
export function sample(logits: Float32Array, params: SamplingParams, point: SamplePoint): number {
  if (params.penalties) penalise(logits, params.penalties, point.history);
  if (point.allowed) forbidOthers(logits, point.allowed);
  const best = argmax(logits);
  if (params.temperature <= 0 || params.topK === 1) return best;
  const surprise = surpriseOf(logits, best, params.temperature);
  const ids = kept(logits, params, surprise);
  const weights = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i += 1) weights[i] = expNegative(-surprise(ids[i] as number));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = uniformAt(params, point) * total;
  for (let i = 0; i < ids.length; i += 1) {
    left -= weights[i] as number;
    if (left < 0) return ids[i] as number;
  }
  return best;
}

type Ids = Int32Array<ArrayBuffer>;
type Surprise = (id: number) => number;

/** (best − logit) / temperature of an id, ≥ 0: its −ln p up to a constant that is the same for all. */
const surpriseOf = (logits: Float32Array, best: number, temperature: number): Surprise => {
  const top = logits[best] as number;
  return (id) => (top - (logits[id] as number)) / temperature;
};

/** The ids that top-k, top-p, min-p and typical leave; never none. */
function kept(logits: Float32Array, params: SamplingParams, surprise: Surprise): Ids {
  const { topK, topP, minP, typicalP } = params;
  let ids = possible(logits);
  if (topK > 0) ids = takeTop(logits, ids, Math.min(topK, ids.length));
  if (topP < 1) ids = smallestSet(logits, { ids, share: topP, surprise });
  if (minP > 0) ids = ids.filter((id) => expNegative(-surprise(id)) >= minP);
  if (typicalP < 1) {
    const scores = typicality(logits.length, ids, surprise);
    ids = smallestSet(scores, { ids, share: typicalP, surprise });
  }
  return ids;
}

/**
 * How near each id's surprise is to the expected one, as scores: 0 is the nearest. The constant that
 * `surprise` lacks falls out of the difference.
 */
function typicality(vocab: number, ids: Ids, surprise: Surprise): Float32Array {
  let [total, sum] = [0, 0];
  for (const id of ids) {
    const weight = expNegative(-surprise(id));
    total += weight;
    sum += weight * surprise(id);
  }
  const scores = new Float32Array(vocab);
  for (const id of ids) scores[id] = -Math.abs(surprise(id) - sum / total);
  return scores;
}

/** The most likely id; ties go to the lowest. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  let top = -Infinity;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] as number;
    if (logit > top) {
      top = logit;
      best = id;
    }
  }
  return best;
}

/** Ids in order, without those that are forbidden: their surprise is infinite. */
function possible(logits: Float32Array): Ids {
  const ids = new Int32Array(logits.length);
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if (logits[id] === -Infinity) continue;
    ids[count] = id;
    count += 1;
  }
  return ids.subarray(0, count);
}

interface Candidates {
  readonly ids: Ids;
  readonly share: number;
  readonly surprise: Surprise;
}

/** The smallest set of best-scored ids that has this share of all their probability; never none. */
function smallestSet(scores: Float32Array, { ids, share, surprise }: Candidates): Ids {
  let total = 0;
  for (const id of ids) total += expNegative(-surprise(id));
  for (let size = FIRST_SET; ; size *= 4) {
    const top = takeTop(scores, ids, Math.min(size, ids.length));
    let sum = 0;
    for (let i = 0; i < top.length; i += 1) {
      sum += expNegative(-surprise(top[i] as number));
      if (sum >= share * total) return top.subarray(0, i + 1);
    }
    if (top.length === ids.length) return top;
  }
}

/** The draw of a token, in [0, 1): of seed, choice and index alone. */
export function uniformAt({ seed, choice }: SamplingParams, { index }: SamplePoint): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = philox([index >>> 0, choice >>> 0, 0, 0], key);
  return unitOf(high, low);
}
