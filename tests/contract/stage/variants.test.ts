import { describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import {
  BLOCK,
  NUMERICS,
  TENSOR_TYPES,
  type ModelShape,
  type TensorType,
} from '#lib/webgpu/model.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import {
  cpuFactory,
  everyRow,
  firstDifference,
  loadRing,
  loadStage,
  runRing,
  segmentFor,
} from '#tests/support/engine.ts';

const SHAPE: ModelShape = {
  kind: 'llama',
  layers: 2,
  hidden: 64,
  heads: 6,
  kvHeads: 2,
  headDim: 16,
  mlp: 96,
  vocab: 67,
  contextMax: 64,
  rmsEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tiedEmbeddings: true,
};
const ODD: ModelShape = { ...SHAPE, hidden: 65, heads: 3, kvHeads: 1, headDim: 6, mlp: 33 };

const variantOf = (name: string, shape: ModelShape, type: TensorType) => ({
  name: `${name}, ${type}`,
  shape,
  weights: syntheticWeights(shape, () => type),
  // Without blocks, both numerics are one.
  numerics: BLOCK[type].values > 1 ? NUMERICS : (['exact'] as const),
});

/** Every stored type, every kind of layer, widths that are no multiples of anything. */
const VARIANTS = [
  ...TENSOR_TYPES.map((type) => variantOf('llama', SHAPE, type)),
  variantOf('qwen2', { ...SHAPE, kind: 'qwen2' }, 'Q4_1'),
  variantOf('qwen3', { ...SHAPE, kind: 'qwen3' }, 'Q4_1'),
  variantOf('odd llama', ODD, 'F16'),
  variantOf('odd qwen2', { ...ODD, kind: 'qwen2' }, 'BF16'),
  variantOf('odd qwen3', { ...ODD, kind: 'qwen3' }, 'F32'),
];

/** Past the border of a KV page, past whole tiles of rows. */
const ids = Int32Array.from({ length: 39 }, (_, i) => (i * 37 + 16) % SHAPE.vocab);
/** Each a size that kernels treat apart: one row, two, three, few, many. */
const CHUNKS = [1, 2, 3, 4, 5, 14, 10];

describe.each(VARIANTS)('cpu, $name', (variant) => {
  const { vocab } = variant.shape;

  it.each(variant.numerics)('[W1] [W2] in chunks, batches and cuts, %s', async (numerics) => {
    const factory = await cpuFactory();
    const whole = await loadStage(factory, variant, { numerics });
    const expected = await runRing([whole], [whole.openKv()], ids);
    const halves = await loadRing(factory, variant, { numerics, firsts: [0, 1] });
    for (const ring of [[whole], halves]) {
      const kvs = ring.map((stage) => stage.openKv());
      let at = 0;
      for (const chunk of CHUNKS) {
        const part = await runRing(ring, kvs, ids.subarray(at, at + chunk));
        const same = expected.subarray(at * vocab, (at + chunk) * vocab);
        expect(firstDifference(part, same)).toBe(-1);
        at += chunk;
      }
      expect(at).toBe(ids.length);
    }
    const segments = [ids.subarray(0, 3), ids, ids.subarray(0, 2)].map((input) =>
      segmentFor(whole, whole.openKv(), { input, want: everyRow(whole) }),
    );
    for (const result of await whole.step(segments)) {
      const logits = must(result.logits, 'logits');
      expect(firstDifference(logits, expected.subarray(0, logits.length))).toBe(-1);
    }
  });
});
