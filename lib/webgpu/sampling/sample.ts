import { expNegative } from './exp.ts';
import type { SamplingParams } from './params.ts';
import { philox, unitOf } from './philox.ts';
import { takeTop } from './top.ts';

/** Where in its answer a token stands; what a penalty will need of the session comes here (S8). */
export interface SamplePoint {
  /** Index of the token in the answer, from 0. */
  readonly index: number;
}

/** How many ids are sorted first when looking for the smallest set that reaches `topP`. */
const FIRST_SET = 64;

/**
 * The next token's id (S8): a pure function, equal on every machine. Temperature, then top-k, then
 * top-p over what is left, as in transformers; ties to the lowest id.
 */
export function sample(logits: Float32Array, params: SamplingParams, point: SamplePoint): number {
  const best = argmax(logits);
  if (params.temperature <= 0 || params.topK === 1) return best;
  const weights = weightsOf(logits, logits[best] ?? 0, params.temperature);
  const kept = keptIds(logits, weights, params);
  const total = weightSum(weights, kept);
  if (!(total > 0)) return best;
  let left = uniform(params, point) * total;
  for (const id of kept) {
    left -= weights[id] as number;
    if (left < 0) return id;
  }
  return best;
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

/** e^((logit − best) / temperature): the best id weighs 1. */
function weightsOf(logits: Float32Array, best: number, temperature: number): Float64Array {
  const weights = new Float64Array(logits.length);
  for (let id = 0; id < logits.length; id += 1) {
    weights[id] = expNegative(((logits[id] as number) - best) / temperature);
  }
  return weights;
}

/** The ids that may be drawn; in order of likelihood where a set is cut off, else of id. */
function keptIds(logits: Float32Array, weights: Float64Array, params: SamplingParams): Int32Array {
  const all = new Int32Array(logits.length);
  let count = 0;
  for (let id = 0; id < weights.length; id += 1) if ((weights[id] as number) > 0) all[count++] = id;
  const alive = all.subarray(0, count);
  const topK = params.topK > 0 && params.topK < count ? params.topK : 0;
  const kept = topK > 0 ? takeTop(logits, alive, topK) : alive;
  return params.topP < 1 ? nucleus(logits, weights, { ids: kept, topP: params.topP }) : kept;
}

/** The smallest set of likeliest ids whose weight reaches `topP` of all; never empty. */
function nucleus(
  logits: Float32Array,
  weights: Float64Array,
  { ids, topP }: { ids: Int32Array; topP: number },
): Int32Array {
  const wanted = topP * weightSum(weights, ids);
  for (let size = FIRST_SET; ; size *= 4) {
    const count = Math.min(size, ids.length);
    const top = takeTop(logits, ids, count);
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      sum += weights[top[i] as number] as number;
      if (sum >= wanted) return top.subarray(0, i + 1);
    }
    if (count === ids.length) return top;
  }
}

function weightSum(weights: Float64Array, ids: Int32Array): number {
  let sum = 0;
  for (const id of ids) sum += weights[id] as number;
  return sum;
}

/** In [0, 1): of seed, choice and index alone. */
function uniform({ seed, choice }: SamplingParams, { index }: SamplePoint): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = philox([index >>> 0, choice >>> 0, 0, 0], key);
  return unitOf(high, low);
}
