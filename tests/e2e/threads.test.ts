import { expect, test, vi } from 'vitest';
import { ask } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { TestServer } from '#tests/support/server.ts';
import { workerThreads } from '#tests/support/worker-threads.ts';

test('[T1] [H12] a tab computes with as many threads as it was told, and leaves none behind', async () => {
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await VolunteerTab.open(server.url);
  try {
    await tab.prefer({ threads: 3 });
    const pid = await tab.rendererPid();
    await tab.contribute();
    await tab.untilPhase(['ready', 'serving'], 60_000);
    const { threads } = await tab.snapshot();
    expect(threads).toEqual({ count: 3, reason: 'device.threads_chosen' });
    // The worker that measured, and its helpers, end beside the new ones.
    await vi.waitFor(() => expect(workerThreads(pid)).toBe(3), { timeout: 10_000 });
    const { promptIds, greedyIds } = goldenRow('capital');
    const seen = await ask(server.url, { promptIds, maxTokens: greedyIds.length });
    expect(seen.ids).toEqual(greedyIds);
    await tab.page.getByRole('button', { name: 'Stop', exact: true }).click();
    await vi.waitFor(() => expect(workerThreads(pid)).toBe(0), { timeout: 10_000 });
  } finally {
    await tab.end();
    await server.stop();
  }
}, 90_000);
