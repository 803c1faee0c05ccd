import { expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { LayerRange, PartKey, StoredTensor, TensorName } from '#lib/webgpu/model.ts';
import { loadWeights } from '#lib/webgpu/gpu/load-weights.ts';
import { formatOf } from '#lib/webgpu/gpu/weights/formats.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({
  kind: 'qwen3',
  layers: 3,
  hidden: 32,
  heads: 2,
  kvHeads: 1,
  mlp: 32,
  vocab: 40,
});
const source = syntheticWeights(SHAPE, () => 'Q8_0');

/** Loads with one tensor changed, or taken away. */
function load(
  range: LayerRange,
  change: (name: TensorName, tensor: StoredTensor) => StoredTensor | null = (_, tensor) => tensor,
) {
  const released: PartKey[] = [];
  const weights = {
    async part(key: PartKey) {
      const part = [...(await source.part(key))].flatMap(([name, tensor]) => {
        const changed = change(name, tensor);
        return changed ? [[name, changed] as const] : [];
      });
      return new Map(part);
    },
    release: (key: PartKey) => released.push(key),
  };
  const options = { shape: SHAPE, range, weights, numerics: 'exact', kvBytesMax: 1 } as const;
  return loadWeights(options).then((packed) => ({ packed, released }));
}

it('[D7] a range takes in what its graph needs, and releases each part', async () => {
  const first = await load({ first: 0, last: 0 });
  expect(first.released).toEqual(['embedding', 'layer/0']);
  expect(must(first.packed.embedding, 'the first has it').rows).toBe(SHAPE.vocab);
  expect(first.packed.matrices.has('head')).toBe(false);
  const last = await load({ first: 1, last: 2 });
  expect(last.released).toEqual(['layer/1', 'layer/2', 'final-norm', 'embedding']);
  expect(last.packed.embedding).toBeNull();
  expect(last.packed.matrices.get('head')).toMatchObject({ rows: SHAPE.vocab, cols: SHAPE.hidden });
  expect([...last.packed.vectors.keys()]).toEqual([
    ...['layer/1/attn-norm', 'layer/1/mlp-norm', 'layer/1/attn-q-norm', 'layer/1/attn-k-norm'],
    ...['layer/2/attn-norm', 'layer/2/mlp-norm', 'layer/2/attn-q-norm', 'layer/2/attn-k-norm'],
    'final-norm',
  ]);
});

it.each<[string, string, (tensor: StoredTensor) => StoredTensor | null]>([
  ['is missing', 'package/malformed', () => null],
  ['has another shape', 'package/malformed', (tensor) => ({ ...tensor, rows: tensor.cols + 1 })],
  ['is cut', 'package/malformed', (tensor) => ({ ...tensor, bytes: tensor.bytes.subarray(1) })],
])('[D7] a tensor that %s is %s', async (_, code, change) => {
  const loading = load({ first: 0, last: 2 }, (name, tensor) =>
    name === 'mlp-up' ? change(tensor) : tensor,
  );
  await expect(loading).rejects.toMatchObject({ code });
});

it('[D7] a type that the operators do not take is refused', () => {
  expect(() => formatOf('Q6_K')).toThrow('no weights of type Q6_K');
});
