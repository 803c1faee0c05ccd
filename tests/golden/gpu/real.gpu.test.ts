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
afterAll(() => tab.close());

const title = isRealGpu(adapter)
  ? `on ${adapter}`
  : `skipped: this machine has no GPU for us (${adapter ?? 'none'})`;

describe.skipIf(!isRealGpu(adapter))(title, () => {
  it('[W1] [W2] [W3] [W4] [W5] the contract of stages', { timeout: 120_000 }, async () => {
    const results = await tab.run('suite', { only: '^gpu, exact' });
    expect(results.filter(({ error }) => error !== null)).toEqual([]);
    expect(results.length).toBeGreaterThan(9);
  });

  it.each(['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'])(
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
