import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  CPU_LIMITS,
  cpuStageFactory,
  type HelperThread,
  type StageThreads,
} from '#lib/webgpu/cpu/core.ts';
import { loadKernels, startHelper } from '#lib/webgpu/cpu/server.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { VARIANTS, VARIANT_IDS as ids } from '#tests/contract/stage/variants.ts';
import { must } from '#lib/kernel/assert.ts';
import { firstDifference, loadStage, runRing } from '#tests/support/engine.ts';

const MODEL = must(VARIANTS[4], 'a variant');
/** Threads of this process, as Linux counts them. */
const threadsNow = (): number => readdirSync('/proc/self/task').length;

/** How many there are once threads that end have ended and those that are made for I/O are there. */
async function threadsSettled(): Promise<number> {
  for (let before = -1; ;) {
    const now = threadsNow();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function untilThreads(count: number): Promise<void> {
  await vi.waitFor(() => expect(threadsNow()).toBeLessThanOrEqual(count), { timeout: 5_000 });
}

async function load(
  start: StageThreads['start'],
  count = 2,
): Promise<{ stage: Stage; joined: number }> {
  let joined = 0;
  const onThreads = (threads: number): void => void (joined = threads);
  const factory = cpuStageFactory(await loadKernels('threads'), { count, start, onThreads });
  const stage = await loadStage(factory, MODEL, { numerics: 'int16' });
  return { stage, joined };
}

async function answer(stage: Stage): Promise<Float32Array> {
  return runRing([stage], [stage.openKv()], ids);
}

async function expectedAnswer(): Promise<Float32Array> {
  const factory = cpuStageFactory(await loadKernels());
  return answer(await loadStage(factory, MODEL, { numerics: 'int16' }));
}

afterEach(() => {
  vi.useRealTimers();
});

describe('[T1] helpers end with their stage', () => {
  it('when it is disposed of', async () => {
    const before = await threadsSettled();
    const { stage, joined } = await load(startHelper, 4);
    expect(joined).toBe(4);
    await answer(stage);
    expect(threadsNow()).toBeGreaterThanOrEqual(before + 3);
    stage.dispose();
    await untilThreads(before);
  });

  it('when its weights do not come', async () => {
    const before = await threadsSettled();
    const factory = cpuStageFactory(await loadKernels('threads'), {
      count: 4,
      start: startHelper,
    });
    const weights = { part: () => Promise.reject(new Error('gone')) };
    await expect(
      loadStage(factory, { ...MODEL, weights }, { numerics: 'int16' }),
    ).rejects.toThrow();
    await untilThreads(before);
  });

  it('when the worker they help is terminated in an endless step', async () => {
    const before = await threadsSettled();
    const worker = new Worker(new URL('./hung-worker.mjs', import.meta.url), { execArgv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    expect(threadsNow()).toBeGreaterThanOrEqual(before + 3);
    await worker.terminate();
    await untilThreads(before);
  });
});

describe('[T2] a stage goes on without helpers that do not join', () => {
  it('because they cannot start', async () => {
    const { stage, joined } = await load(() => ({
      ready: Promise.resolve(),
      end: () => undefined,
    }));
    expect(joined).toBe(1);
    expect(firstDifference(await answer(stage), await expectedAnswer())).toBe(-1);
  });

  it('because they are late, and then they touch nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let late: (() => HelperThread) | null = null;
    const loading = load((start) => {
      late = () => startHelper(start);
      return { ready: new Promise(() => undefined), end: () => undefined };
    });
    await expect.poll(() => late).not.toBeNull();
    while (vi.getTimerCount() === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(CPU_LIMITS.helperStartMs);
    const { stage, joined } = await loading;
    expect(joined).toBe(1);
    const helper = must(late as (() => HelperThread) | null, 'started')();
    await helper.ready; // it ended: it never says that it joined
    expect(firstDifference(await answer(stage), await expectedAnswer())).toBe(-1);
    helper.end();
  });
});

it('[T3] a helper that traps ends the stage, not the thread that waits for it', async () => {
  // Its `Range` lies past the end of the memory: the first read traps.
  const { stage } = await load((start) => startHelper({ ...start, range: 0xffff0000 }), 3);
  const steps = async (): Promise<void> => {
    for (let i = 0; i < 1000; i += 1) await answer(stage);
  };
  await expect(steps()).rejects.toMatchObject({ code: 'engine/lost' });
});

it('[T4] a stage without work costs nothing', async () => {
  const { stage } = await load(startHelper, 3);
  await answer(stage);
  await new Promise((resolve) => setTimeout(resolve, 50)); // whoever spun has gone to sleep
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 400));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(100); // two that spin would take 800 ms
  stage.dispose();
});
