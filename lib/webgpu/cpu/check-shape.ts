import { FaultError } from '#lib/kernel/errors.ts';
import type { LayerRange, ModelShape } from '../model.ts';
import { CPU_LIMITS } from './limits.ts';

/**
 * Refuses what the kernels cannot hold: they work on vectors of four and trap on nothing.
 * @throws FaultError `engine/unsupported`.
 */
export function checkShape(shape: ModelShape, range: LayerRange): void {
  const { kind, hidden, heads, kvHeads, headDim, mlp, contextMax, layers } = shape;
  const rules: [boolean, string][] = [
    [kind === 'llama', 'models of kind llama'],
    [hidden % 4 === 0 && mlp % 4 === 0, 'hidden and MLP widths that are multiples of four'],
    [headDim % 4 === 0 && headDim <= CPU_LIMITS.headDimMax, 'head widths 4, 8, … 512'],
    [heads % kvHeads === 0, 'as many query heads for each KV head'],
    [contextMax >= 1 && contextMax <= CPU_LIMITS.contextMax, 'contexts of up to 2²⁰ positions'],
    [0 <= range.first && range.first <= range.last && range.last < layers, 'layers of the model'],
  ];
  for (const [holds, what] of rules) {
    if (!holds) throw new FaultError('engine/unsupported', `the CPU engine computes only ${what}`);
  }
}
