import { expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { CpuEngine, type CpuEngineDoors } from '#lib/shard/stage/cpu-engine.ts';
import type { CpuPiece } from '#lib/webgpu/capability/measure.ts';
import { planThreads, type ThreadChoice } from '#lib/webgpu/capability/threads.ts';
import { loadKernels, startHelper } from '#lib/webgpu/cpu/server.ts';
import { VARIANTS } from '#tests/contract/stage/variants.ts';
import { loadStage } from '#tests/support/engine.ts';

const MODEL = must(VARIANTS[4], 'a variant');
const PIECE: CpuPiece = { shape: MODEL.shape, typeOf: () => 'Q4_1' };
const PLAN = planThreads({ cores: 2, isolated: true, power: 0.5, asked: 2 });
const TWO: ThreadChoice = { threads: 2, reason: 'device.threads_chosen' };
const ONE: ThreadChoice = { threads: 1, reason: 'device.threads_failed' };

function engineWith(doors: Partial<CpuEngineDoors>): { cpu: CpuEngine; said: ThreadChoice[] } {
  const said: ThreadChoice[] = [];
  const onThreads = (choice: ThreadChoice): void => void said.push(choice);
  return {
    cpu: new CpuEngine({ loadKernels, startHelper, plan: PLAN, onThreads, ...doors }),
    said,
  };
}

it('[H12] measures and uses the threads that were asked for', async () => {
  const { cpu, said } = engineWith({});
  const { threads, layerMs } = await cpu.measure(PIECE);
  expect(threads).toEqual(TWO);
  expect(Math.min(...layerMs)).toBeGreaterThan(0);
  cpu.use(threads);
  const stage = await loadStage(await cpu.factory(), MODEL, { numerics: 'int16' });
  stage.dispose();
  expect(said).toEqual([]);
});

it('[H12] helpers that do not come up leave one thread, and the load goes on', async () => {
  const { cpu, said } = engineWith({
    startHelper: () => ({ ready: Promise.resolve(), end: () => undefined }),
  });
  expect(await cpu.measure(PIECE)).toMatchObject({ threads: ONE });
  expect(said).toEqual([]);
  cpu.use(TWO); // an earlier visit had them
  const stage = await loadStage(await cpu.factory(), MODEL, { numerics: 'int16' });
  expect(stage.pagesMax).toBeGreaterThan(0);
  expect(said).toEqual([ONE]);
});

it('[H12] where memory cannot be shared, one thread computes', async () => {
  const { cpu, said } = engineWith({
    loadKernels: (build) =>
      build === 'one'
        ? loadKernels('one')
        : Promise.reject(new FaultError('engine/unsupported', 'no shared memory')),
  });
  cpu.use(TWO);
  const stage = await loadStage(await cpu.factory(), MODEL, { numerics: 'int16' });
  expect(stage.pagesMax).toBeGreaterThan(0);
  expect(said).toEqual([ONE]);
});
