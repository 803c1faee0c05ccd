import { must } from '#lib/kernel/assert.ts';
import {
  hasEmbedding,
  hasHead,
  type LayerRange,
  type ModelShape,
  type Numerics,
  type WeightSource,
} from '#lib/webgpu/model.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { Segment, Stage, StageFactory, Want } from '#lib/webgpu/stage.ts';

/** What tests do with stages of any engine, here or in a tab: nothing of files. */

export interface Model {
  readonly shape: ModelShape;
  readonly weights: WeightSource;
}

export interface LoadOptions {
  readonly numerics: Numerics;
  readonly range?: LayerRange;
  readonly kvBytesMax?: number;
}

/** A stage of the model, the whole of it unless `range` says otherwise. */
export function loadStage(
  factory: StageFactory,
  model: Model,
  { numerics, range, kvBytesMax = 2 ** 28 }: LoadOptions,
): Promise<Stage> {
  const whole = { first: 0, last: model.shape.layers - 1 };
  return factory({ ...model, range: range ?? whole, numerics, kvBytesMax });
}

/** Cuts a model into stages of consecutive ranges that begin at `firsts` (the first is 0). */
export function loadRing(
  factory: StageFactory,
  model: Model,
  options: { numerics: Numerics; firsts: readonly number[] },
): Promise<Stage[]> {
  return Promise.all(
    options.firsts.map((first, i) => {
      const last = (options.firsts[i + 1] ?? model.shape.layers) - 1;
      return loadStage(factory, model, { numerics: options.numerics, range: { first, last } });
    }),
  );
}

/** Rows of a session for a stage, from ids or hidden states as its range asks. */
export function segmentFor(
  stage: Stage,
  kv: number,
  rows: { input: Int32Array | Float32Array; want: Want },
): Segment {
  const takesIds = hasEmbedding(stage.range);
  const { input, want } = rows;
  return {
    kv,
    firstPosition: stage.kvLength(kv),
    rows: takesIds ? input.length : input.length / stage.shape.hidden,
    ids: input instanceof Int32Array ? input : null,
    hidden: input instanceof Float32Array ? input : null,
    want,
  };
}

/** What a stage gives of all rows: logits with the head, hidden states without. */
export const everyRow = (stage: Stage): Want => ({
  kind: hasHead(stage.shape, stage.range) ? 'logits' : 'hidden',
});

/** Runs rows through consecutive stages, `kvs` in step with them; the last one's output. */
export async function runRing(
  stages: readonly Stage[],
  kvs: readonly number[],
  ids: Int32Array,
): Promise<Float32Array> {
  let input: Int32Array | Float32Array = ids;
  for (const [i, stage] of stages.entries()) {
    const segment = segmentFor(stage, kvs[i] ?? 0, { input, want: everyRow(stage) });
    const [result] = await stage.step([segment]);
    input = must(result?.hidden ?? result?.logits, 'a wanted output');
  }
  return input as Float32Array;
}

/** `count` greedy ids after a prompt, from one stage that holds the whole model. */
export async function greedyIds(
  stage: Stage,
  promptIds: readonly number[],
  count: number,
): Promise<number[]> {
  const kv = stage.openKv();
  const ids: number[] = [];
  let input = Int32Array.from(promptIds);
  while (ids.length < count) {
    const at = { index: ids.length, history: NO_HISTORY };
    const want: Want = { kind: 'sample', params: GREEDY, ...at };
    const [result] = await stage.step([segmentFor(stage, kv, { input, want })]);
    const id = must(result?.sampledId, 'a sampled id');
    ids.push(id);
    input = Int32Array.of(id);
  }
  stage.closeKv(kv);
  return ids;
}

/** Index of the first value whose bits differ, −1 where all are the same. */
export function firstDifference(actual: Float32Array, expected: Float32Array): number {
  const a = new Uint32Array(actual.slice().buffer);
  const b = new Uint32Array(expected.slice().buffer);
  const at = a.findIndex((bits, i) => bits !== b[i]);
  return at === -1 && a.length !== b.length ? a.length : at;
}
