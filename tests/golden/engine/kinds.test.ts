import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes } from '#lib/kernel/bytes.ts';
import {
  BLOCK,
  TENSOR_TYPES,
  type ModelShape,
  type Numerics,
  type TensorType,
  type WeightSource,
} from '#lib/webgpu/model.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { referenceLogits } from '#tests/golden/package/reference-llama.ts';
import { cpuFactory, loadStage, runRing, type Model } from '#tests/support/engine.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const EVEN = tinyShape({ vocab: 37, tiedEmbeddings: false });

/** Widths that are no multiple of four, two or eight; heads of 2 to 22 columns. */
const SHAPES: Readonly<Record<string, Partial<ModelShape>>> = {
  llama: {},
  'llama, heads of 10': { hidden: 66, heads: 3, kvHeads: 1, headDim: 10, mlp: 98 },
  'llama, heads of 2': { hidden: 31, heads: 7, kvHeads: 7, headDim: 2, mlp: 1, vocab: 9 },
  qwen2: { kind: 'qwen2' },
  'qwen2, heads of 6': { kind: 'qwen2', hidden: 65, heads: 5, kvHeads: 1, headDim: 6, mlp: 33 },
  qwen3: { kind: 'qwen3' },
  'qwen3, heads of 22': { kind: 'qwen3', hidden: 27, heads: 9, kvHeads: 3, headDim: 22, mlp: 50 },
};
const cases = Object.entries(SHAPES).map(([name, part]) => ({ name, shape: { ...EVEN, ...part } }));

/** Past the border of a KV page, and past whole tiles of rows. */
const ids = Array.from({ length: 39 }, (_, i) => (i * 5 + 3) % 9);

let factory: StageFactory;
beforeAll(async () => {
  factory = await cpuFactory();
});

function worstOf(shape: ModelShape, type: TensorType, numerics: Numerics) {
  return worstOfModel({ shape, weights: syntheticWeights(shape, () => type) }, ids, numerics);
}

/** The largest difference to plain double arithmetic, over the largest absolute logit. */
async function worstOfModel(model: Model, ids: readonly number[], numerics: Numerics) {
  const expected = (await referenceLogits(model, [...ids])).flat();
  const stage = await loadStage(factory, model, { numerics });
  const actual = await runRing([stage], [stage.openKv()], Int32Array.from(ids));
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? NaN)))) / largest;
}

const loose = TENSOR_TYPES.filter((type) => BLOCK[type].values === 1);
describe.each(cases)('$name', ({ shape }) => {
  it.each(loose)('[E3] in %s', async (type) => {
    expect(await worstOf(shape, type, 'exact')).toBeLessThanOrEqual(1e-5);
  });
});

describe.each(TENSOR_TYPES.filter((type) => BLOCK[type].values > 1))('%s', (type) => {
  it('[E3] exact', async () => {
    expect(await worstOf(EVEN, type, 'exact')).toBeLessThanOrEqual(1e-5);
  });

  it('[E3] int16: as the rounding of activations allows', async () => {
    expect(await worstOf(EVEN, type, 'int16')).toBeLessThanOrEqual(2e-4);
  });
});

/** Queries, keys and values whose columns are all alike: each row of their weights is the first. */
function alike(weights: WeightSource): WeightSource {
  return {
    async part(key) {
      const tensors = [...(await weights.part(key))];
      return new Map(
        tensors.map(([name, tensor]) => {
          if (!['attn-q', 'attn-k', 'attn-v'].includes(name)) return [name, tensor] as const;
          const row = tensor.bytes.slice(0, tensor.bytes.length / tensor.rows);
          const bytes = concatBytes(Array.from({ length: tensor.rows }, () => row));
          return [name, { ...tensor, bytes }] as const;
        }),
      );
    },
  };
}

it('[E3] int16: no sum of products overflows where all factors are as large as the largest', async () => {
  // Positions hardly turn any column but the first; runs of one id have one weight and one value.
  const shape = { ...EVEN, ropeTheta: 1e12 };
  const weights = alike(syntheticWeights(shape, () => 'F32'));
  const runs = ids.map((_, i) => ids[i >> 3] ?? 0);
  expect(await worstOfModel({ shape, weights }, runs, 'int16')).toBeLessThanOrEqual(2e-4);
});
