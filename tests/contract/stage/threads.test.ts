import { expect, it } from 'vitest';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { bitsOf } from '#tests/support/cpu-bits.ts';
import { bitsInTab, threadsLeftInTab } from '#tests/support/cpu-tab/cpu-tab.ts';
import { cpuFactory } from '#tests/support/engine.ts';

/** 13 variants, most of them in both numerics: what one thread computes in Node is the measure. */
const expected = await bitsOf(await cpuFactory());

it('[W9] the build for threads, alone, gives what the build for one gives', async () => {
  expect(await bitsOf(cpuStageFactory(await loadKernels('threads')))).toEqual(expected);
});

it.each([2, 3, 5])('[W9] %i threads give what one gives', { timeout: 30_000 }, async (threads) => {
  expect(await bitsOf(await cpuFactory(threads))).toEqual(expected);
});

it(
  '[W9] Chromium gives what Node gives, with one thread and two',
  { timeout: 60_000 },
  async () => {
    expect(await bitsInTab([1, 2])).toEqual([expected, expected]);
  },
);

it(
  '[T1] workers that are let go right after their stage leave no thread in a tab',
  { timeout: 60_000 },
  async () => {
    expect(await threadsLeftInTab(20)).toBe(0);
  },
);
