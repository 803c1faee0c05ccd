import {
  BLOCK,
  NUMERICS,
  TENSOR_TYPES,
  type ModelShape,
  type Numerics,
  type TensorType,
} from '#lib/webgpu/model.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import type { Model } from '#tests/support/stages.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

export interface Variant extends Model {
  readonly name: string;
  readonly numerics: readonly Numerics[];
}

const SHAPE = tinyShape({ heads: 6, vocab: 67 });
const ODD = { hidden: 65, heads: 3, kvHeads: 1, headDim: 6, mlp: 33 };

const variantOf = (name: string, shape: ModelShape, type: TensorType): Variant => ({
  name: `${name}, ${type}`,
  shape,
  weights: syntheticWeights(shape, () => type),
  // Without blocks, both numerics are one.
  numerics: BLOCK[type].values > 1 ? NUMERICS : (['exact'] as const),
});

/** Every stored type, every kind of layer, widths that are no multiples of anything. */
const variantsOf = (shape: ModelShape, odd: Partial<ModelShape>): readonly Variant[] => [
  ...TENSOR_TYPES.map((type) => variantOf('llama', shape, type)),
  variantOf('qwen2', { ...shape, kind: 'qwen2' }, 'Q4_1'),
  variantOf('qwen3', { ...shape, kind: 'qwen3' }, 'Q4_1'),
  variantOf('odd llama', { ...shape, ...odd }, 'F16'),
  variantOf('odd qwen2', { ...shape, ...odd, kind: 'qwen2' }, 'BF16'),
  variantOf('odd qwen3', { ...shape, ...odd, kind: 'qwen3' }, 'F32'),
];

export const VARIANTS = variantsOf(SHAPE, ODD);

/** Wide enough that products of one row are dealt out over threads (`kernels/threads.ts`). */
export const WIDE_VARIANTS = variantsOf(
  { ...SHAPE, hidden: 320, heads: 10, kvHeads: 2, headDim: 32, mlp: 640, vocab: 401 },
  { hidden: 321, heads: 9, kvHeads: 3, headDim: 22, mlp: 643 },
);

/** Past the border of a KV page, past whole tiles of rows. */
export const VARIANT_IDS = Int32Array.from({ length: 39 }, (_, i) => (i * 37 + 16) % SHAPE.vocab);
