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
  const weigh = weigher(logits, logits[best] ?? 0, params.temperature);
  let ids = countUp(logits.length);
  if (params.topK > 0) ids = takeTop(logits, ids, Math.min(params.topK, ids.length));
  if (params.topP < 1) ids = nucleus(logits, { ids, topP: params.topP, weigh });
  const weights = weightsOf(ids, weigh);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = uniform(params, point) * total;
  for (let i = 0; i < ids.length; i += 1) {
    left -= weights[i] as number;
    if (left < 0) return ids[i] as number;
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

function countUp(length: number): Int32Array<ArrayBuffer> {
  const ids = new Int32Array(length);
  for (let id = 0; id < length; id += 1) ids[id] = id;
  return ids;
}

function weightsOf(ids: Int32Array, weigh: (id: number) => number): Float64Array {
  const weights = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i += 1) weights[i] = weigh(ids[i] as number);
  return weights;
}

/** e^((logit − best) / temperature) of an id: the best one weighs 1. */
const weigher =
  (logits: Float32Array, best: number, temperature: number) =>
  (id: number): number =>
    expNegative(((logits[id] as number) - best) / temperature);

interface Candidates {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly topP: number;
  readonly weigh: (id: number) => number;
}

/** The smallest set of likeliest ids whose weight reaches `topP` of all; never empty. */
function nucleus(logits: Float32Array, { ids, topP, weigh }: Candidates): Int32Array<ArrayBuffer> {
  let total = 0;
  for (const id of ids) total += weigh(id);
  for (let size = FIRST_SET; ; size *= 4) {
    const top = takeTop(logits, ids, Math.min(size, ids.length));
    let sum = 0;
    for (let i = 0; i < top.length; i += 1) {
      sum += weigh(top[i] as number);
      if (sum >= topP * total) return top.subarray(0, i + 1);
    }
    if (top.length === ids.length) return top;
  }
}

/** In [0, 1): of seed, choice and index alone. */
function uniform({ seed, choice }: SamplingParams, { index }: SamplePoint): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = philox([index >>> 0, choice >>> 0, 0, 0], key);
  return unitOf(high, low);
}
