import { setTimeout as sleep } from 'node:timers/promises';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { SmallServer, untilPhase, type TestVolunteer } from '#tests/support/small-server.ts';

const row = goldenRow('sky');
const TOKENS = 48;
/** On a machine whose every core has other work. */
const SLOW = { timeout: 90_000 };
const expected = row.greedyIds.slice(0, TOKENS);

describe('one volunteer process', SLOW, () => {
  let server: SmallServer;
  let volunteer: TestVolunteer;
  beforeAll(async () => {
    server = await SmallServer.start(1);
    volunteer = server.volunteer('a');
  });
  afterAll(() => server.end());

  const answers = async (): Promise<void> => {
    const short = goldenRow('capital');
    const ids = await server.ask(short.promptIds, short.greedyIds.length);
    expect(ids).toEqual(short.greedyIds);
  };

  it('[N3] joins, loads, is checked, and answers with the golden ids', async () => {
    await untilPhase(volunteer, ['ready']);
    const { range, bytesLoaded, bytesTotal } = volunteer.snapshot();
    expect([range, bytesLoaded]).toEqual([{ first: 0, last: 29 }, bytesTotal]);
    await answers();
  });

  it('[K6] a flipped bit and a removed file in its cache folder: those chunks alone come again', async () => {
    volunteer.node.stop();
    await untilPhase(volunteer, ['off']);
    const cache = join(server.dataDir('a'), 'cache');
    const names = await readdir(cache);
    expect(new Set(names).size).toBe(new Set(server.chunksServed).size);
    const [flipped = '', removed = ''] = names.slice(7);
    const bytes = await readFile(join(cache, flipped));
    bytes[1000] = (bytes[1000] ?? 0) ^ 4;
    await writeFile(join(cache, flipped), bytes);
    await rm(join(cache, removed));

    server.chunksServed.length = 0;
    const again = server.volunteer('a');
    await untilPhase(again, ['ready']);
    const urls = [flipped, removed].map((hash) => `/models/chunks/${hash}`);
    expect(server.chunksServed.toSorted()).toEqual(urls.sort());
    const { size } = await stat(join(cache, removed));
    // What rots is seen as it is loaded, when the folder was counted already.
    expect(again.snapshot().bytesFromNetwork).toBe(size);
    expect((await readdir(cache)).sort()).toEqual(names.sort());
    await answers();
  });
});

describe('three volunteer processes in a ring', SLOW, () => {
  let server: SmallServer;
  const nodes: TestVolunteer[] = [];
  beforeAll(async () => {
    server = await SmallServer.start(3);
    for (const name of ['a', 'b', 'c']) nodes.push(server.volunteer(name));
    await server.whole(3);
  }, SLOW.timeout);
  afterAll(() => server.end());

  const holderOf = (place: number): TestVolunteer => {
    const id = server.orchestrator.view().routes[0]?.places[place]?.node;
    const holder = nodes.find((node) => node.snapshot().nodeId === id);
    if (!holder) throw new Error(`nobody here holds place ${place}`);
    return holder;
  };

  /** An answer in whose middle `lose` happens; its longest gap, printed. */
  async function interrupted(how: string, lose: () => void): Promise<void> {
    let lastAt = performance.now();
    let gapMs = 0;
    const onToken = (count: number): void => {
      if (count > 1) gapMs = Math.max(gapMs, performance.now() - lastAt);
      lastAt = performance.now();
      if (count === 10) lose();
    };
    const ids = await server.ask(row.promptIds, TOKENS, { onToken });
    expect(ids).toEqual(expected);
    process.stderr.write(`${how}: longest gap ${gapMs.toFixed(0)} ms\n`);
  }

  it('[S1] gives the golden ids over data channels, nothing through the server', async () => {
    const ids = await server.ask(row.promptIds, TOKENS);
    expect(ids).toEqual(expected);
    const isTold = (node: TestVolunteer): boolean => {
      const { tokensServed, steps, sessions } = node.snapshot();
      return tokensServed >= TOKENS - 1 && steps >= TOKENS && sessions === 0;
    };
    await expect.poll(() => nodes.map(isTold)).toEqual([true, true, true]);
    const paths = nodes.flatMap((node) => node.snapshot().peers.map(({ path }) => path));
    expect(paths).toHaveLength(6);
    // Where the machine is too busy for a direct path in 5 s, a link goes by relay, and says so.
    expect(server.hub.relayedBytes() === 0).toBe(paths.every((path) => path === 'direct'));
  });

  it('[N8] each prepare is answered before the worker reports', () => {
    const said = server.heard.flatMap((event) =>
      event.type === 'message' && event.message.type === 'session'
        ? [{ node: event.node, message: event.message.message }]
        : [],
    );
    for (const id of nodes.map((node) => node.snapshot().nodeId)) {
      const own = said.filter(({ node }) => node === id).map(({ message }) => message.type);
      expect(own[0]).toBe('prepared');
      expect(own).toContain('report');
    }
  });

  it('[S3] four choices of one prompt, at once: it is computed once, and each is what it is alone', async () => {
    const { promptIds } = goldenRow('long300');
    const choices = [0, 1, 2, 3].map((choice) => ({ ...GREEDY, temperature: 1, seed: 5, choice }));
    const prefix = { salt: 'of one request', public: null };
    const heard = server.heard.length;
    const together = await Promise.all(
      choices.map((sampling) => server.ask(promptIds, 8, { sampling, prefix })),
    );
    const whole = promptIds.length - 1;
    const beyondPages = whole % WIRE.prefixPagePositions;
    const rows = [0, 1, 2].map(() => whole + 3 * beyondPages);
    await expect.poll(() => server.rowsFilled(heard)).toEqual(rows);
    expect(new Set(together.map((ids) => ids.join())).size).toBe(4);
    for (const [at, sampling] of choices.entries()) {
      expect(await server.ask(promptIds, 8, { sampling })).toEqual(together[at]);
    }
  });

  it('[V2] pause in mid-answer: it goes on elsewhere, and nothing computes here', async () => {
    const victim = holderOf(1);
    await interrupted('pause', () => victim.node.pause());
    expect(victim.snapshot().phase).toBe('paused');
    // A second after the pause nothing computes; until then steps of before it are still told.
    await sleep(1000);
    const { steps } = victim.snapshot();
    await sleep(1000);
    expect(victim.snapshot().steps).toBe(steps);
    victim.node.resume();
    await server.whole(3);
  });

  it('[N9] a worker that dies in mid-answer is rebuilt, and its node comes back', async () => {
    const victim = holderOf(2);
    await interrupted('worker killed', () => victim.killWorker());
    await server.whole(3);
    expect(victim.snapshot().fault).toBe(null);
    expect(victim.snapshot().tokensServed).toBeGreaterThan(TOKENS);
  });

  it('[N2] a node that comes back has its measurement and its shard from storage', async () => {
    const victim = holderOf(0);
    const name = ['a', 'b', 'c'][nodes.indexOf(victim)] ?? '';
    await interrupted('stop', () => victim.node.stop());
    await untilPhase(victim, ['off']);
    const startedAt = performance.now();
    const back = server.volunteer(name);
    await untilPhase(back, ['ready', 'serving', 'spare']);
    process.stderr.write(`back after ${(performance.now() - startedAt).toFixed(0)} ms\n`);
    expect(back.snapshot().bytesFromNetwork).toBe(0);
  });
});

describe('two relay-only volunteers', SLOW, () => {
  it('[M6] answer through the server alone', async () => {
    const server = await SmallServer.start(2);
    try {
      for (const name of ['a', 'b']) server.volunteer(name, { relayOnly: true });
      await server.whole(2);
      expect(await server.ask(row.promptIds, 16)).toEqual(expected.slice(0, 16));
      // The last token is sampled and not computed on: one row fewer than positions.
      expect(server.hub.relayedBytes()).toBeGreaterThan((row.promptIds.length + 15) * 2304);
    } finally {
      await server.end();
    }
  });
});
