import { afterEach, describe, expect, it } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import { STAGE_HOST } from '#lib/shard/stage/limits.ts';
import type { LoadOrder, StageHost } from '#lib/shard/stage/stage-host.ts';
import { shardKey } from '#lib/shard/stage/types.ts';
import { ADDRESS, ALONE, HASH, makeHost, prepare, scriptedStage, until } from './one-host.ts';

let open: StageHost | null = null;
afterEach(() => {
  open?.dispose();
  open = null;
});
function host(doors: Parameters<typeof makeHost>[0] = {}) {
  const made = makeHost(doors);
  open = made.host;
  return made;
}
const order: LoadOrder = {
  type: 'load',
  shard: shardKey(HASH, ALONE),
  manifest: HASH,
  range: ALONE,
  numerics: 'int16',
};

/** A session alone on this host, up to its first sampled token. */
async function answer(made: ReturnType<typeof host>): Promise<void> {
  made.say(prepare());
  await until(() => made.owner().some((message) => message.type === 'report'));
  made.say({ type: 'fill', ...ADDRESS, starts: [0] });
  await until(() =>
    made.owner().some((message) => message.type === 'report' && message.kvLength === 3),
  );
  made.say({ type: 'handover', ...ADDRESS, position: 3, id: 4 });
}

describe('a stage host', () => {
  it('[H7] a run that hangs ends the worker', async () => {
    let begun = false;
    const onStep = () => {
      begun = true;
      return new Promise<void>(() => undefined);
    };
    const made = host({ onStep });
    const failed = () => made.reports.filter((report) => report.type === 'failed');
    void answer(made).catch(() => undefined);
    await until(() => begun);
    made.host.tick();
    expect(failed()).toEqual([]);
    made.pass(STAGE_HOST.runMsMax + 1);
    made.host.tick();
    expect(failed()).toMatchObject([{ fault: { code: 'engine/lost' } }]);
  });

  it('[H8] tells how many KV pages sessions hold: none once the last has ended', async () => {
    const made = host();
    expect(made.host.snapshot().pagesHeld).toBe(0);
    await answer(made);
    expect(made.host.snapshot().pagesHeld).toBe(1);
    made.say({ type: 'end', session: ADDRESS.session });
    await until(() => made.host.snapshot().pagesHeld === 0);
  });

  it('[H4] loads a shard once, however many ask', async () => {
    const made = host();
    made.say(prepare());
    const stages = await Promise.all([made.host.ensureShard(order), made.host.ensureShard(order)]);
    expect(made.loads).toHaveLength(1);
    expect(stages[0]).toBe(stages[1]);
    await until(() => made.owner().some((message) => message.type === 'report'));
  });

  it('[H4] a failed load is told to the owner and to the job, and may be tried again', async () => {
    let tries = 0;
    const made = host({
      load: () => {
        tries += 1;
        const fault = new FaultError('package/fetch-failed', 'no network');
        return tries === 1 ? Promise.reject(fault) : Promise.resolve(scriptedStage(async () => {}));
      },
    });
    made.say(prepare());
    await expect(made.host.ensureShard(order)).rejects.toMatchObject({
      code: 'package/fetch-failed',
    });
    await until(() =>
      made.owner().some((message) => message.type === 'fault' && message.why === 'load'),
    );
    await made.host.ensureShard(order);
    expect(tries).toBe(2);
  });

  it('[H1] answers a prompt alone, token by token, and samples no more than asked', async () => {
    const made = host();
    await answer(made);
    await until(() => made.owner().some((message) => message.type === 'token' && message.last));
    const tokens = made.owner().filter((message) => message.type === 'token');
    expect(tokens.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    made.say({ type: 'end', session: ADDRESS.session });
    const { sessions, tokensServed } = made.host.snapshot();
    expect([sessions, tokensServed]).toEqual([0, 6]);
  });

  it('[H2] runs one engine call at a time', async () => {
    let running = 0;
    let most = 0;
    const busy = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
    };
    const made = host({ onStep: busy });
    await answer(made);
    const others = Array.from({ length: 5 }, () => made.host.engines.exclusive(busy));
    await until(() => made.owner().some((message) => message.type === 'token' && message.last));
    await Promise.all(others);
    expect(most).toBe(1);
  });

  it('[H3] takes what waits between two runs: an end comes through at once', async () => {
    const { port1, port2 } = new MessageChannel();
    let steps = 0;
    const made = host({
      // No step waits for anything: only the host's own yield lets the message in.
      onStep: () => {
        steps += 1;
        if (steps === 3) port2.postMessage(null);
        return Promise.resolve();
      },
    });
    port1.onmessage = () => made.say({ type: 'end', session: ADDRESS.session });
    made.say(prepare({ maxTokens: 10_000 }));
    await answer(made);
    await until(() => made.host.snapshot().sessions === 0);
    const after = steps;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(steps).toBe(after);
    expect(steps).toBeLessThanOrEqual(5);
    port1.close();
  });

  it('[H5] unloads only what no session uses, and that as soon as it can', async () => {
    const made = host();
    const loaded = () => made.host.engines.shards().length;
    await answer(made);
    made.host.unloadIdle(new Set());
    expect(loaded()).toBe(1);
    made.say({ type: 'end', session: ADDRESS.session });
    await until(() => {
      made.host.tick();
      return loaded() === 0;
    });
    await made.host.ensureShard(order);
    made.host.unloadIdle(new Set([order.shard]));
    expect(loaded()).toBe(1);
    made.host.unloadIdle(new Set());
    expect(loaded()).toBe(0);
  });

  it('[H7] a trap in the engine ends the worker', async () => {
    const made = host({ onStep: () => Promise.reject(new Error('unreachable executed')) });
    made.say(prepare());
    await until(() => made.loads.length === 1);
    made.say({ type: 'fill', ...ADDRESS, starts: [0] });
    await until(() => made.reports.some((report) => report.type === 'failed'));
    expect(made.owner()).toContainEqual(expect.objectContaining({ type: 'fault', why: 'engine' }));
  });

  it('[S11] missing pages are told, and end nothing', async () => {
    const noPages = () => Promise.reject(new FaultError('engine/no-pages', 'no pages'));
    const made = host({ onStep: noPages });
    made.say(prepare());
    await until(() => made.loads.length === 1);
    made.say({ type: 'fill', ...ADDRESS, starts: [0] });
    await until(() =>
      made.owner().some((message) => message.type === 'fault' && message.why === 'no-room'),
    );
    expect(made.reports.filter((report) => report.type === 'failed')).toEqual([]);
  });

  it('[V2] computes nothing after a pause, and goes on after resume', async () => {
    let steps = 0;
    const made = host({
      onStep: () => {
        steps += 1;
        return new Promise((resolve) => setTimeout(resolve, 1));
      },
    });
    made.say(prepare());
    await answer(made);
    await until(() => steps >= 3);
    made.host.command({ type: 'pause' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const paused = steps;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(steps).toBe(paused);
    made.host.command({ type: 'resume' });
    await until(() => made.owner().some((message) => message.type === 'token' && message.last));
  });

  it('[H8] says nothing while nothing changes', async () => {
    const made = host();
    made.host.tick();
    const before = made.reports.length;
    for (let i = 0; i < 20; i += 1) made.host.tick();
    expect(made.reports.length).toBe(before);
    await answer(made);
    await until(() => made.owner().some((message) => message.type === 'token' && message.last));
    made.host.tick();
    expect(made.reports.at(-1)).toMatchObject({ type: 'snapshot' });
  });
});
