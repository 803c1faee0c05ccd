import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import type { SourceType } from './source-types.ts';

/** How a package stores its matrices: as the source does, or all in one format. */
export const QUANTS = ['keep', 'f32', 'f16', 'q8', 'q4'] as const;
export type Quant = (typeof QUANTS)[number];

const ASKED: Readonly<Record<Exclude<Quant, 'keep'>, TensorType>> = {
  f32: 'F32',
  f16: 'F16',
  q8: 'Q8_0',
  q4: 'Q4_1',
};

/** Stored formats stay; a K-quant becomes the block format of 32 that loses least for its size. */
const KEPT: Readonly<Record<SourceType, TensorType>> = {
  F32: 'F32',
  F16: 'F16',
  BF16: 'BF16',
  Q8_0: 'Q8_0',
  Q4_0: 'Q4_0',
  Q4_1: 'Q4_1',
  Q5_0: 'Q5_0',
  Q5_1: 'Q5_1',
  Q4_K: 'Q4_1',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
};

/**
 * The format a tensor is stored in. Vectors are a thousandth of a model and every value counts:
 * they stay plain floats, F32 unless the source's own F16 is kept. A matrix whose rows are not
 * whole blocks of what was asked stays as it is.
 */
export function storedType(
  tensor: { readonly type: SourceType; readonly rows: number; readonly cols: number },
  quant: Quant,
): TensorType {
  const kept = KEPT[tensor.type];
  if (tensor.rows === 1) return quant === 'keep' && kept === 'F16' ? 'F16' : 'F32';
  if (quant === 'keep') return kept;
  const asked = ASKED[quant];
  return tensor.cols % BLOCK[asked].values === 0 ? asked : kept;
}
