import { expect, it } from 'vitest';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { choose } from '#lib/webgpu/choose.ts';
import { chooseTop, drawOf } from '#lib/webgpu/gpu/head/choose-top.ts';
import type { TopRow } from '#lib/webgpu/gpu/head/top-row.ts';
import { TOP } from '#lib/webgpu/gpu/head/top-shader.ts';
import { GREEDY, NO_HISTORY, type SamplingParams } from '#lib/webgpu/sampling/params.ts';

const VOCAB = 600;
const ROWS = 80;

/** What the shader says of a row, in doubles and by sorting. */
function rowOf(logits: Float32Array, [scale, share]: readonly [number, number]): TopRow {
  const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
  const floor = logits[order[TOP.ids - 1] ?? -1] ?? -Infinity;
  const ids = order.filter((id) => (logits[id] ?? 0) > floor).reverse();
  const top = logits[order[0] ?? 0] ?? NaN;
  const weights = Array.from(logits, (logit) => Math.exp((logit - top) * scale));
  const drawSum = weights.reduce((sum, weight) => sum + weight, 0);
  let [before, drawnId] = [0, 0];
  while (before + (weights[drawnId] ?? 0) <= share * drawSum) {
    before += weights[drawnId] ?? 0;
    drawnId += 1;
  }
  return {
    ...{ floor, top, drawSum, drawnId, drawnBefore: before, drawnWeight: weights[drawnId] ?? 0 },
    ids: Uint32Array.from(ids),
    logits: Float32Array.from(ids, (id) => logits[id] ?? NaN),
    sum: logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0),
  };
}

/** Peaked like a model's; equal values among the best. */
const logitsOf = (random: Random): Float32Array =>
  Float32Array.from({ length: VOCAB }, () => {
    return Math.round(-20 * Math.log(-Math.log(random.unit() + 1e-9))) / 10;
  });

function chosen(params: Partial<SamplingParams>, seed: number, allowed?: Uint32Array) {
  const logits = logitsOf(seededRandom(seed));
  const all = { ...GREEDY, seed, ...params };
  const point = { index: seed, history: NO_HISTORY, ...(allowed ? { allowed } : {}) };
  const row = rowOf(logits, drawOf(all, point));
  return {
    top: chooseTop(row, all, point),
    whole: choose(logits, { kind: 'sample', params: all, ...point }),
  };
}

/** Of `ROWS` rows: all that are chosen are chosen as from the whole row. @returns how many. */
function count(
  params: Partial<SamplingParams>,
  allowedOf?: (random: Random) => Uint32Array,
): number {
  let certain = 0;
  for (let seed = 1; seed <= ROWS; seed += 1) {
    const { top, whole } = chosen(params, seed, allowedOf?.(seededRandom(seed + 1000)));
    if (!top) continue;
    certain += 1;
    expect(top.id).toBe(whole.sampledId);
    if (!whole.logprobs) continue;
    expect(top.logprobs?.top.map(([id]) => id)).toEqual(whole.logprobs.top.map(([id]) => id));
    expect(top.logprobs?.logprob).toBeCloseTo(whole.logprobs.logprob, 4);
  }
  return certain;
}

it.each<[string, Partial<SamplingParams>, number]>([
  ['greedy', {}, ROWS],
  ['top-k', { temperature: 1, topK: 50 }, ROWS],
  ['top-k, then top-p and min-p', { temperature: 0.7, topK: 40, topP: 0.9, minP: 0.05 }, ROWS],
  ['top-k, then typical', { temperature: 1, topK: 20, typicalP: 0.8 }, ROWS],
  ['top-p', { temperature: 0.8, topP: 0.9 }, ROWS - 3],
  ['top-p, then typical', { temperature: 1, topP: 0.5, typicalP: 0.9 }, ROWS - 3],
  ['min-p', { temperature: 1, minP: 0.2 }, ROWS],
  ['temperature alone', { temperature: 1 }, ROWS - 6],
  ['log probabilities', { temperature: 1, topK: 20, logprobs: 20 }, ROWS],
])('[S8] %s: the id that the whole row gives', (_, params, least) => {
  expect(count(params)).toBeGreaterThanOrEqual(least);
});

it('[S8] under a grammar the best that it allows', () => {
  const some = (random: Random): Uint32Array =>
    Uint32Array.from({ length: VOCAB / 32 + 1 }, () => random.below(2 ** 32));
  expect(count({}, some)).toBe(ROWS);
  expect(count({ temperature: 1, topK: 10 }, some)).toBe(ROWS);
  expect(count({ temperature: 1 }, some)).toBe(0);
});

it.each<[string, Partial<SamplingParams>]>([
  ['penalties', { penalties: { repetition: 1, presence: 1, frequency: 0, bias: [] } }],
  ['typical over all ids', { temperature: 1, typicalP: 0.9 }],
  ['a top-k past what is told', { temperature: 1, topK: 500 }],
  ['a flat top-p', { temperature: 50, topP: 0.99 }],
])('[S8] %s: the whole row is asked for', (_, params) => {
  expect(count(params)).toBe(0);
});

it('[S8] equal logits past the floor, or what is no number, are not guessed', () => {
  const point = { index: 0, history: NO_HISTORY };
  const flat = rowOf(new Float32Array(VOCAB).fill(1), [1, 0]);
  expect(flat.ids.length).toBe(0);
  expect(chooseTop(flat, GREEDY, point)).toBe(null);
  const broken = rowOf(logitsOf(seededRandom(1)), [1, 0]);
  broken.logits[3] = NaN;
  expect(chooseTop(broken, GREEDY, point)).toBe(null);
});

it('[S8] a draw that falls within the sums’ error of a border is made again', () => {
  const params = { ...GREEDY, temperature: 1 };
  const point = { index: 5, history: NO_HISTORY };
  const row = rowOf(logitsOf(seededRandom(7)), drawOf(params, point));
  const share = drawOf(params, point)[1] * row.drawSum;
  expect(chooseTop(row, params, point)?.id).toBe(row.drawnId);
  const near = { ...row, drawnBefore: share - 1e-5 * row.drawSum };
  expect(chooseTop(near, params, point)).toBe(null);
  const nearEnd = { ...row, drawnWeight: share - row.drawnBefore + 1e-5 * row.drawSum };
  expect(chooseTop(nearEnd, params, point)).toBe(null);
});
