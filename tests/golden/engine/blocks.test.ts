import { expect, it } from 'vitest';
import {
  TENSOR_TYPES,
  type StoredTensor,
  type TensorName,
  type TensorType,
} from '#lib/webgpu/model.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { cpuFactory, firstDifference, loadStage, runRing } from '#tests/support/engine.ts';
import { rawBlocks } from './expected.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const stored = rawBlocks().filter(({ type }) => TENSOR_TYPES.includes(type as TensorType));

/** One layer whose matrices are all zero: hidden states are the embedding's rows, untouched. */
const SHAPE = tinyShape({ hidden: 1536, heads: 1, kvHeads: 1, headDim: 4, mlp: 4, vocab: 2, contextMax: 8 });

it('reads the raw blocks of every format but F32, which needs none', () => {
  const types = TENSOR_TYPES.filter((type) => type !== 'F32');
  expect(stored.map(({ type }) => type).sort()).toEqual([...types].sort());
});

it.each(stored)('[K8] $type rows come out of the kernels bit for bit', async (block) => {
  expect([block.rows, block.columns]).toEqual([SHAPE.vocab, SHAPE.hidden]);
  const zeros = syntheticWeights(SHAPE, () => 'F32');
  const embedding: StoredTensor = {
    type: block.type as TensorType,
    rows: block.rows,
    cols: block.columns,
    bytes: Buffer.from(block.rawBase64, 'base64'),
  };
  const weights = {
    async part(key: Parameters<typeof zeros.part>[0]) {
      const part = new Map<TensorName, StoredTensor>(await zeros.part(key));
      for (const tensor of part.values()) tensor.bytes.fill(0);
      return key === 'embedding' ? part.set('embedding', embedding) : part;
    },
  };
  const range = { first: 0, last: 0 };
  const model = { shape: SHAPE, weights };
  const stage = await loadStage(await cpuFactory(), model, { numerics: 'exact', range });
  const hidden = await runRing([stage], [stage.openKv()], Int32Array.of(0, 1));
  const expected = floatsOf(block.float32Base64);
  // The residual stream adds 0, which makes +0 of −0.
  const positive = expected.map((value) => value + 0);
  expect(firstDifference(hidden, positive)).toBe(-1);
});

const floatsOf = (base64: string): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
