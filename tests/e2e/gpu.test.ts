import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { folderCases } from '#tests/golden/engine/expected.ts';
import { ask, type SeenAnswer } from '#tests/support/answer.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { GpuVolunteers, type GpuVolunteerTab } from '#tests/support/gpu-volunteers.ts';
import { TestServer } from '#tests/support/server.ts';

const MODEL = 'tiny' as ModelId;
const CASES = folderCases('llama-mha').filter(({ ids }) => ids.length > 1 && ids.length <= 64);
const SHORTEST = must(CASES[0], 'a prompt');
const LONGEST = must(CASES.at(-1), 'a prompt');

/** Three layers, a tab for each; the answers of the reference, which computes in fp32, too. */
describe('C2 stages on GPUs in real tabs', () => {
  let server: TestServer;
  let gpus: GpuVolunteers;
  let plain: GpuVolunteers | null = null;
  beforeAll(async () => {
    const data = await mkdtemp(join(tmpdir(), 'declai-gpu-'));
    const root = join(data, 'models');
    await importModel({ path: goldenPath('tiny/llama-mha'), root, id: MODEL });
    const args = ['--no-seed-volunteer', '--stages', '3', '--model', MODEL];
    server = await TestServer.start(args, data);
    gpus = await GpuVolunteers.launch({ gpu: true });
    for (let i = 0; i < 3; i += 1) await gpus.open(server.url, '?engine=gpu');
    await whole();
  }, 90_000);
  afterAll(async () => {
    await Promise.all([gpus.close(), plain?.close()]);
    await server.stop();
  });

  /** A route over three nodes. */
  const whole = async (): Promise<void> => {
    await server.until(
      'a route of three tabs',
      ({ routes }) =>
        routes.some(({ places }) => new Set(places.map(({ node }) => node)).size === 3),
      60_000,
    );
  };
  const engines = async (): Promise<string[]> => {
    const { nodes } = await server.status();
    const gone = ['lost', 'leaving'];
    return nodes.filter(({ state }) => !gone.includes(state)).map(({ engine }) => engine);
  };
  const answer = (ids: readonly number[], maxTokens: number, onToken?: (n: number) => void) =>
    ask(server.url, {
      ...{ promptIds: ids, maxTokens, extra: { model: MODEL } },
      ...(onToken ? { onToken } : {}),
    });
  const golden = async (): Promise<SeenAnswer[]> => {
    const seen = await Promise.all(
      CASES.map(({ ids, greedyIds }) => answer(ids, greedyIds.length)),
    );
    expect(seen.map(({ ids }) => ids)).toEqual(CASES.map(({ greedyIds }) => greedyIds));
    return seen;
  };

  test('[C2] three GPU tabs give the reference’s ids', async () => {
    expect(await engines()).toEqual(['gpu-webgpu', 'gpu-webgpu', 'gpu-webgpu']);
    await golden();
    expect(gpus.ortFiles.some((path) => path.endsWith('.wasm'))).toBe(true);
  });

  test('[C2] a hundred sessions leave no GPU buffer and no KV page behind', async () => {
    const counts: number[][] = [];
    const held = async (): Promise<number> => {
      const snapshots = await Promise.all(gpus.tabs.map((tab) => tab.snapshot()));
      return Math.max(...snapshots.map(({ pagesHeld }) => pagesHeld));
    };
    let most = 0;
    const look = () => void held().then((pages) => (most = Math.max(most, pages)));
    const looking = setInterval(look, 100);
    for (let half = 0; half < 2; half += 1) {
      for (let i = 0; i < 5; i += 1) {
        await Promise.all(Array.from({ length: 10 }, () => answer(SHORTEST.ids, 1)));
      }
      await idle();
      await until(async () => (await held()) === 0);
      counts.push(await Promise.all(gpus.tabs.map((tab) => tab.buffers())));
    }
    clearInterval(looking);
    expect(Math.min(...(counts[0] ?? []))).toBeGreaterThan(0);
    expect(counts[1]).toEqual(counts[0]);
    // A count that was never seen above 0 would say nothing.
    expect(most).toBeGreaterThan(0);
  }, 60_000);

  test('[C2] a device that is lost in the middle of an answer loses no token, and comes back', async () => {
    const victim = must(gpus.tabs[1], 'a tab');
    const before = (await victim.snapshot()).nodeId;
    const { ids, greedyIds } = LONGEST;
    const seen = await answer(ids, greedyIds.length, (count) => {
      if (count === 6) void victim.loseDevice();
    });
    expect(seen.error).toBe(null);
    expect(seen.ids).toEqual(greedyIds);
    expect(seen.routes.length).toBeGreaterThan(1);
    await until(async () => {
      const { phase, engine } = await victim.snapshot();
      return engine?.name === 'gpu-webgpu' && (phase === 'ready' || phase === 'spare');
    });
    expect((await victim.snapshot()).nodeId).toBe(before);
    await whole();
    await golden();
  });

  test('[C2] [P4] a GPU, one that measured slower, and a browser without one answer together', async () => {
    const [slow, none] = await mixed();
    expect((await slow.snapshot()).engine).toEqual({
      ...{ name: 'cpu-wasm', reason: 'device.gpu_slow' },
    });
    expect(await slow.fact('Computes on')).toMatch(/measured, it is faster than your GPU/);
    expect((await none.snapshot()).engine).toEqual({
      ...{ name: 'cpu-wasm', reason: 'device.no_webgpu' },
    });
    expect(plain?.ortFiles).toEqual([]);
    expect((await engines()).sort()).toEqual(['cpu-wasm', 'cpu-wasm', 'gpu-webgpu']);
    for (const { routes } of await golden()) expect(routes[0]?.places).toHaveLength(3);
  });

  /** Two of the three make room for tabs without a GPU of use. */
  const mixed = async (): Promise<[GpuVolunteerTab, GpuVolunteerTab]> => {
    const cpus = await GpuVolunteers.launch({ gpu: false });
    plain = cpus;
    await Promise.all(gpus.tabs.slice(1).map((tab) => tab.close()));
    const tabs = await Promise.all([gpus.open(server.url), cpus.open(server.url)]);
    await whole();
    return tabs;
  };

  const idle = (): Promise<unknown> => server.until('no session', ({ sessions }) => sessions === 0);
});

async function until(holds: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to pass in ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
