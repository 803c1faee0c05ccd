import { NUMERICS, type Numerics } from '#lib/webgpu/model.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { cpuFactory } from '#tests/support/engine.ts';

export interface StageImplementation {
  readonly name: string;
  readonly factory: () => Promise<StageFactory>;
  readonly numerics: readonly Numerics[];
  /** `bits`: a row is the same to the bit in any batch; `tolerance`: within 1e-4 of the largest. */
  readonly class: 'bits' | 'tolerance';
}

/** What runs in Node; `gpu.test.ts` runs the suite in a tab, where this list is another one. */
export const IMPLEMENTATIONS: readonly StageImplementation[] = [
  { name: 'cpu', factory: cpuFactory, numerics: NUMERICS, class: 'bits' },
];
