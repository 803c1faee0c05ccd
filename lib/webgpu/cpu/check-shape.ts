import { FaultError } from '#lib/kernel/errors.ts';
import type { LayerRange, ModelShape } from '../model.ts';
import { CPU_LIMITS } from './limits.ts';

/**
 * Refuses what the kernels cannot hold: they trap on nothing.
 * @throws FaultError `engine/unsupported`.
 */
export function checkShape(shape: ModelShape, range: LayerRange): void {
  const { heads, kvHeads, headDim, contextMax, layers } = shape;
  const rules: [boolean, string][] = [
    [headDim % 2 === 0 && headDim <= CPU_LIMITS.headDimMax, 'head widths 2, 4, … 512'],
    [heads % kvHeads === 0, 'as many query heads for each KV head'],
    [contextMax >= 1 && contextMax <= CPU_LIMITS.contextMax, 'contexts of up to 2²⁰ positions'],
    [0 <= range.first && range.first <= range.last && range.last < layers, 'layers of the model'],
  ];
  for (const [holds, what] of rules) {
    if (!holds) throw new FaultError('engine/unsupported', `the CPU engine computes only ${what}`);
  }
}
