import { must } from '#lib/kernel/assert.ts';
import { expNegative } from '../../sampling/exp.ts';
import type { TokenLogprobs } from '../../sampling/logprobs.ts';
import type { SamplingParams } from '../../sampling/params.ts';
import { sample, uniformAt, type SamplePoint } from '../../sampling/sample.ts';
import { takeTop } from '../../sampling/top.ts';
import type { Sampled } from '../../stage.ts';
import type { TopRow } from './top-row.ts';

/**
 * How far the GPU's fp32 sums may be off, as a share of all: exponentials of 3 + 2 |x| units in the
 * last place (WGSL's accuracy of `exp`), some hundred additions in a row. A draw that lands so near to
 * a border between two ids is made again from all logits.
 */
const SUM_ERROR = 4e-5;

/** Candidates in the order of ids, as `sample` takes a whole row: its ties go by index, too. */
interface Candidates {
  readonly ids: Uint32Array;
  readonly logits: Float32Array;
}

/**
 * The id that `chooseAt` would take from the whole row, and its log probabilities; null where the
 * row's best ids do not say for certain. That is so with penalties, which may lift any id; with
 * top-p or a free draw under a grammar, whose sums are of the ids that it allows; with `typical` over
 * all ids; and wherever more than the best ids, or a border too near to call, would decide.
 */
export function chooseTop(row: TopRow, params: SamplingParams, point: SamplePoint): Sampled | null {
  if (params.penalties || !row.logits.every(Number.isFinite) || !(row.drawSum > 0)) return null;
  const id = idOf(row, params, point);
  if (id === null || params.logprobs === null) return id === null ? null : { id };
  const logprobs = logprobsOf(row, id, params.logprobs);
  return logprobs && { id, logprobs };
}

/** What the shader needs of a draw: 1 / temperature, and where in [0, 1) it falls. */
export function drawOf(params: SamplingParams, point: SamplePoint): [scale: number, share: number] {
  if (params.temperature <= 0) return [1, 0];
  return [1 / params.temperature, uniformAt(params, point)];
}

function idOf(row: TopRow, params: SamplingParams, point: SamplePoint): number | null {
  const candidates = allowedOf(row, point.allowed);
  const { temperature, topK, topP, minP, typicalP } = params;
  const { ids, logits } = candidates;
  if (ids.length === 0) return null;
  // What a grammar forbids is not among them.
  const at = { index: point.index, history: point.history };
  const choose = (changed: Partial<SamplingParams>): number =>
    must(ids[sample(logits.slice(), { ...params, ...changed }, at)], 'an id');
  if (temperature <= 0 || topK === 1) return choose({});
  if (topK > 0) return topK <= ids.length || row.floor === -Infinity ? choose({}) : null;
  if (row.floor === -Infinity) return choose({});
  if (topP < 1) {
    const count = point.allowed ? null : nucleus(row, candidates, params);
    // The same ids in the same order, from here on by the same arithmetic.
    return count === null ? null : choose({ topK: count, topP: 1 });
  }
  const best = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  if (minP > 0) return expNegative((row.floor - best) / temperature) < minP ? choose({}) : null;
  return typicalP < 1 || point.allowed ? null : drawn(row, params, point);
}

function allowedOf({ ids, logits }: TopRow, allowed: Uint32Array | undefined): Candidates {
  const order = [...ids.keys()]
    .filter((i) => !allowed || ((allowed[(ids[i] ?? 0) >>> 5] ?? 0) >>> ((ids[i] ?? 0) & 31)) & 1)
    .sort((a, b) => (ids[a] ?? 0) - (ids[b] ?? 0));
  return {
    ids: Uint32Array.from(order, (i) => ids[i] ?? 0),
    logits: Float32Array.from(order, (i) => logits[i] ?? NaN),
  };
}

/** Size of the smallest set with top-p's share; null where the sum's error leaves two to choose from. */
function nucleus(row: TopRow, { logits }: Candidates, params: SamplingParams): number | null {
  const { temperature, topP } = params;
  const order = takeTop(logits, Int32Array.from(logits.keys()), logits.length);
  const [least, most] = [1 - SUM_ERROR, 1 + SUM_ERROR].map((by) => by * topP * row.drawSum);
  let sum = 0;
  for (const [i, index] of order.entries()) {
    const logit = must(logits[index], 'a candidate');
    sum += expNegative((logit - row.top) / temperature);
    if (sum >= must(most, 'a bound')) return i + 1;
    if (sum >= must(least, 'a bound')) return null;
  }
  return null;
}

/** A draw from all ids: the GPU's, where its sums are far enough from both borders. */
function drawn(row: TopRow, params: SamplingParams, point: SamplePoint): number | null {
  const { drawSum, drawnBefore, drawnWeight, drawnId } = row;
  const share = uniformAt(params, point) * drawSum;
  const error = SUM_ERROR * drawSum;
  const inside = share - drawnBefore > error && drawnBefore + drawnWeight - share > error;
  // The first id has no border before it.
  const first = drawnId === 0 && drawnWeight - share > error;
  return inside || first ? drawnId : null;
}

/** They are told, never drawn from: fp32 sums will do. */
function logprobsOf(row: TopRow, id: number, count: number): TokenLogprobs | null {
  const { ids, logits, top, sum } = row;
  const byId = allowedOf(row, undefined);
  const at = ids.indexOf(id);
  if (at === -1 || (count > ids.length && row.floor !== -Infinity)) return null;
  const logprob = (logit: number): number => logit - top - Math.log(sum);
  const most = Math.max(1, Math.min(count, ids.length));
  const best = takeTop(byId.logits, Int32Array.from(byId.ids.keys()), most).subarray(0, count);
  return {
    logprob: logprob(logits[at] ?? NaN),
    top: Array.from(best, (i) => [byId.ids[i] ?? 0, logprob(byId.logits[i] ?? NaN)] as const),
  };
}
