import { NUMERICS, type Numerics } from '#lib/webgpu/model.ts';
import type { StageClass, StageFactory } from '#lib/webgpu/stage.ts';
import { cpuFactory } from '#tests/support/engine.ts';

export interface StageImplementation {
  readonly name: string;
  readonly factory: () => Promise<StageFactory>;
  readonly numerics: readonly Numerics[];
  readonly class: StageClass;
}

/** What runs in Node; `gpu.test.ts` runs the suite in a tab, where this list is another one. */
export const IMPLEMENTATIONS: readonly StageImplementation[] = [
  { name: 'cpu', factory: () => cpuFactory(), numerics: NUMERICS, class: 'bits' },
  { name: 'cpu, two threads', factory: () => cpuFactory(2), numerics: NUMERICS, class: 'bits' },
];
