import { beforeAll, describe, expect, it } from 'vitest';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { measureSpeed } from '#lib/webgpu/capability/measure.ts';
import type { StageClass } from '#lib/webgpu/stage.ts';
import { KNOWN_SAMPLE_VALUES, answersAgree } from '#lib/webgpu/answers-agree.ts';
import { knownAnswer, selfCheck } from '#lib/webgpu/known-answer.ts';
import { SHAPE_KINDS, TENSOR_TYPES, type ModelShape } from '#lib/webgpu/model.ts';
import { SELF_CHECK_MODELS } from '#lib/webgpu/self-check-models.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({ layers: 3 });

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await loadKernels();
});

describe('known answers', () => {
  const load = (first: number, last: number, type: 'Q4_1' | 'Q4_0') =>
    cpuStageFactory(module)({
      shape: SHAPE,
      range: { first, last },
      numerics: 'int16',
      kvBytesMax: 2 ** 22,
      weights: syntheticWeights(SHAPE, () => type),
    });

  it('[M7] the self-check passes on this machine', async () => {
    await selfCheck(module);
  });

  it('[M7] the self-check computes every kind and every stored type', () => {
    const types = Object.values(SELF_CHECK_MODELS).flatMap((model) => Object.values(model.types));
    expect(new Set(types)).toEqual(new Set(TENSOR_TYPES));
    for (const kind of SHAPE_KINDS) expect(SELF_CHECK_MODELS[kind].shape.kind).toBe(kind);
  });

  it('[M7] equal for equal weights, other for other weights, ranges, seeds and rows', async () => {
    const middle = await load(1, 1, 'Q4_1');
    const digests = await Promise.all([
      knownAnswer(middle, 5, 20),
      knownAnswer(middle, 6, 20),
      knownAnswer(middle, 5, 1),
      knownAnswer(await load(1, 1, 'Q4_0'), 5, 20),
      knownAnswer(await load(2, 2, 'Q4_1'), 5, 20),
    ]);
    expect(new Set(digests.map(({ digest }) => digest)).size).toBe(digests.length);
    const again = await knownAnswer(await load(1, 1, 'Q4_1'), 5, 20);
    expect(again).toEqual(digests[0]);
  });

  it('[M7] agree by bits on processors, by values on GPUs', async () => {
    const stage = await load(0, 2, 'Q4_1');
    const answer = await knownAnswer(stage, 5, 20);
    expect(answer.sample).toHaveLength(KNOWN_SAMPLE_VALUES);
    expect(answersAgree('bits', { ...answer, largest: 0, sample: [] }, answer)).toBe(true);
    expect(answersAgree('bits', { ...answer, digest: 'another' }, answer)).toBe(false);
    const moved = (by: number, precision: StageClass = 'tolerance') => {
      const sample = answer.sample.map((value, i) =>
        i === 40 ? value + by * answer.largest : value,
      );
      return answersAgree(precision, { ...answer, digest: 'another', sample }, answer);
    };
    expect([moved(9e-4), moved(1.1e-3), moved(NaN)]).toEqual([true, false, false]);
    expect([moved(1.9e-2, 'half'), moved(2.1e-2, 'half')]).toEqual([true, false]);
    const short = { ...answer, sample: answer.sample.slice(1) };
    expect(answersAgree('tolerance', short, answer)).toBe(false);
    const huge = { ...answer, largest: 2 * answer.largest };
    expect(answersAgree('tolerance', huge, answer)).toBe(false);
  });

  it('[M7] leaves no KV behind', async () => {
    const stage = await load(0, 2, 'Q4_1');
    await knownAnswer(stage, 1, 40);
    expect(stage.pagesFree()).toBe(stage.pagesMax);
  });
});

it.each<Partial<ModelShape>>([{}, { kind: 'qwen2', hidden: 66, headDim: 10, mlp: 98 }])(
  '[P1] measures layers and head at 1, 8 and 64 rows before any download: %j',
  async (other) => {
    const { layerMs, headMs } = await measureSpeed(cpuStageFactory(module), {
      shape: { ...SHAPE, ...other },
      typeOf: () => 'F16',
    });
    expect(layerMs.every((ms) => ms > 0)).toBe(true);
    expect(headMs.every((ms) => ms >= 0)).toBe(true);
    expect(layerMs[2]).toBeGreaterThan(layerMs[0]);
  },
);
