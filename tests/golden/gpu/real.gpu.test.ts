import { afterAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { openModel } from '#tests/support/engine.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { GpuTab } from '#tests/support/gpu-tab/gpu-tab.ts';
import { isRealGpu } from '#tests/support/gpu-tab/real-gpu.ts';
import { expectClose, folderCases } from '../engine/expected.ts';

/** `npm run test:gpu`: what `gpu-stage.test.ts` sees in software, on the machine's own GPU. */
const tab = await GpuTab.open('real');
const adapter = await tab.run('adapter', {});
const engines = isRealGpu(adapter) ? await tab.run('engines', {}) : [];
afterAll(() => tab.close());

const MODELS = ['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'];
/** Of the largest logit: what 16 bits are good for over the layers of these models. */
const HALF = 1e-2;

const title = isRealGpu(adapter)
  ? `on ${adapter}`
  : `skipped: this machine has no GPU for us (${adapter ?? 'none'})`;

describe.skipIf(!isRealGpu(adapter))(title, () => {
  const suites = { 'gpu-webgpu': '^gpu, exact', 'gpu-webgpu-f16': '^gpu in 16 bits, int16' };
  it.each(engines)('[W1] [W2] [W3] [W4] [W5] [W8] the contract of stages: %s', { timeout: 120_000 }, async (engine) => {
    const results = await tab.run('suite', { only: suites[engine] });
    expect(results.filter(({ error }) => error !== null)).toEqual([]);
    expect(results.length).toBeGreaterThan(16);
  });

  it.skipIf(!engines.includes('gpu-webgpu-f16')).each(MODELS)(
    '[D11] %s in 16 bits: logits, and the best ids where their margin allows it',
    { timeout: 60_000 },
    async (name) => {
      const model = await openModel(goldenPath(`tiny/${name}`));
      tab.engine = 'gpu-webgpu-f16';
      await tab.load(name, model, [0]);
      tab.engine = 'gpu-webgpu';
      for (const { ids, positions, logits } of folderCases(name)) {
        const rows = await tab.run('logits', { ids, positions });
        rows.forEach((row, i) => {
          const right = must(logits[i], 'a golden row');
          expectClose(Float32Array.from(row), right, HALF);
          const [best = 0, second = 0] = [...right].sort((a, b) => b - a);
          if (best - second < 2 * HALF * Math.max(...right.map(Math.abs))) return;
          expect(row.indexOf(Math.max(...row))).toBe(right.indexOf(best));
        });
      }
    },
  );

  it.each(MODELS)(
    '[D4] %s: logits and greedy ids',
    { timeout: 60_000 },
    async (name) => {
      await tab.load(name, await openModel(goldenPath(`tiny/${name}`)), [0]);
      const cases = folderCases(name).filter(({ ids }) => ids.length > 1);
      for (const { ids, positions, logits } of cases) {
        const rows = await tab.run('logits', { ids, positions });
        rows.forEach((row, i) => {
          expectClose(Float32Array.from(row), must(logits[i], 'a golden row'), 1e-3);
        });
      }
      const { ids, greedyIds } = must(cases[0], 'a prompt');
      expect(await tab.run('greedy', { ids, count: greedyIds.length })).toEqual(greedyIds);
    },
  );
});
