import { FaultError } from '#lib/kernel/errors.ts';
import type { LayerRange, ModelShape } from '../model.ts';
import { ELEMENT_BYTES, type Precision } from './graph-builder.ts';
import { GPU_LIMITS } from './limits.ts';

/**
 * Refuses what ONNX Runtime's operators do not compute, before anything is loaded.
 * @throws FaultError `engine/unsupported`.
 */
export function checkShape(shape: ModelShape, range: LayerRange): void {
  const { hidden, heads, kvHeads, headDim, mlp, contextMax, layers } = shape;
  const rules: [boolean, string][] = [
    [hidden % 4 === 0 && mlp % 4 === 0, 'hidden and MLP widths that are multiples of four'],
    [headDim % GPU_LIMITS.headDimMultiple === 0, 'head widths 16, 32, …'],
    [heads % kvHeads === 0, 'as many query heads for each KV head'],
    [contextMax >= 1 && contextMax <= GPU_LIMITS.contextMax, 'contexts of up to 2¹⁷ positions'],
    [0 <= range.first && range.first <= range.last && range.last < layers, 'layers of the model'],
  ];
  for (const [holds, what] of rules) {
    if (!holds) throw new FaultError('engine/unsupported', `the GPU engine computes only ${what}`);
  }
}

/** Bytes of a session's keys, or values, of one layer: each position. */
export const kvPositionBytes = ({ kvHeads, headDim }: ModelShape, precision: Precision): number =>
  ELEMENT_BYTES[precision] * kvHeads * headDim;

/**
 * Refuses a range of which one buffer is larger than the GPU binds.
 * @throws FaultError `engine/unsupported`.
 */
export function checkBuffers(limits: GPUSupportedLimits, bytes: readonly number[]): void {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const largest = Math.max(...bytes);
  if (largest <= most) return;
  throw new FaultError('engine/unsupported', 'a buffer of this range is too large for the GPU', {
    details: { largest, most },
  });
}
