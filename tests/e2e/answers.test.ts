import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { goldenRow, goldenRows } from '#tests/support/golden.ts';
import { TestServer } from '#tests/support/server.ts';
import { ThreeTabs, isWhole } from '#tests/support/three-tabs.ts';

const HIDDEN_BYTES = 2_304;
const rowsOf = (...names: string[]) => names.map(goldenRow);

describe('A1, A4 three tabs over WebRTC', () => {
  let cluster: ThreeTabs;
  beforeAll(async () => {
    cluster = await ThreeTabs.start();
  }, 120_000);
  afterAll(async () => {
    await cluster.end();
  });

  test('the route: three different nodes, disjoint and complete ranges', async () => {
    const status = await cluster.server.status();
    expect(status.routes.some((route) => isWhole(route.places))).toBe(true);
    expect(status.nodes.map((node) => node.kind)).toEqual(['tab', 'tab', 'tab']);
  });

  test.each(rowsOf('capital', 'list', 'unicode', 'one'))(
    'greedy ids of $name equal the reference',
    async (row) => {
      const seen = await ask(cluster.server.url, {
        promptIds: row.promptIds,
        maxTokens: row.greedyIds.length,
      });
      expect(seen.error).toBeNull();
      expect(seen.ids).toEqual(row.greedyIds);
      expect(seen.finish).toBe(row.endedByEos ? 'stop' : 'length');
    },
    60_000,
  );

  test('eight prompts at once, each as if alone', async () => {
    const rows = rowsOf('capital', 'sky', 'list', 'python', 'digits', 'emoji', 'math', 'raw');
    const seen = await Promise.all(
      rows.map((row) =>
        ask(cluster.server.url, {
          promptIds: row.promptIds,
          maxTokens: Math.min(row.greedyIds.length, 32),
        }),
      ),
    );
    expect(seen.map((answer) => answer.ids)).toEqual(rows.map((row) => row.greedyIds.slice(0, 32)));
  }, 90_000);

  test('activations travel between tabs, none across the server', async () => {
    const row = goldenRow('capital');
    const before = await framesSent(cluster);
    const relayed = (await cluster.server.status()).relayedBytes;
    await ask(cluster.server.url, { promptIds: row.promptIds, maxTokens: row.greedyIds.length });
    const tokens = row.promptIds.length + row.greedyIds.length;
    await expect
      .poll(async () => (await framesSent(cluster)) - before)
      .toBeGreaterThanOrEqual(tokens * HIDDEN_BYTES * 2);
    expect((await cluster.server.status()).relayedBytes).toBe(relayed);
  }, 60_000);

  test.each(rowsOf('long1000', 'long3000'))(
    'the long prompt $name',
    async (row) => {
      const seen = await ask(cluster.server.url, {
        promptIds: row.promptIds,
        maxTokens: row.greedyIds.length,
      });
      expect(seen.error).toBeNull();
      expect(seen.ids).toEqual(row.greedyIds);
    },
    120_000,
  );
});

describe('A1 two tabs and the built-in volunteer', () => {
  let server: TestServer;
  const tabs: VolunteerTab[] = [];
  beforeAll(async () => {
    server = await TestServer.start(['--stages', '3']);
    for (let i = 0; i < 2; i += 1) tabs.push(await VolunteerTab.open(server.url));
    for (const tab of tabs) await tab.contribute();
    await server.until('a route of three nodes', (status) =>
      status.routes.some((route) => isWhole(route.places)),
    );
  }, 120_000);
  afterAll(async () => {
    await Promise.all(tabs.map((tab) => tab.end()));
    await server.stop();
  });

  test('greedy ids equal the reference', async () => {
    const kinds = (await server.status()).nodes.map((node) => node.kind).sort();
    expect(kinds).toEqual(['node', 'tab', 'tab']);
    for (const row of rowsOf('capital', 'system')) {
      const seen = await ask(server.url, {
        promptIds: row.promptIds,
        maxTokens: row.greedyIds.length,
      });
      expect(seen.ids).toEqual(row.greedyIds);
    }
  }, 60_000);
});

describe('A4 relay: no direct path', () => {
  let cluster: ThreeTabs;
  beforeAll(async () => {
    cluster = await ThreeTabs.start({ relayOnly: true });
  }, 120_000);
  afterAll(async () => {
    await cluster.end();
  });

  test('the answer is the same and its bytes cross the server', async () => {
    const row = goldenRow('capital');
    const before = (await cluster.server.status()).relayedBytes;
    const seen = await ask(cluster.server.url, {
      promptIds: row.promptIds,
      maxTokens: row.greedyIds.length,
    });
    expect(seen.ids).toEqual(row.greedyIds);
    expect(seen.routes.at(-1)?.places.every((place) => place.path === 'relay')).toBe(true);
    const relayed = (await cluster.server.status()).relayedBytes - before;
    const positions = row.promptIds.length + row.greedyIds.length - 1;
    expect(relayed).toBeGreaterThanOrEqual(positions * HIDDEN_BYTES * 2);
  }, 60_000);
});

test('the golden file is the one that was made with the reference', () => {
  expect(goldenRows()).toHaveLength(18);
});

/** Bytes that the tabs' links have sent in all, as the tabs themselves count them. */
async function framesSent(cluster: ThreeTabs): Promise<number> {
  const snapshots = await Promise.all(cluster.tabs.map((tab) => tab.snapshot()));
  return snapshots.reduce((sum, snapshot) => sum + snapshot.frameBytesSent, 0);
}
