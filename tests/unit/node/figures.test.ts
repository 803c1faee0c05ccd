import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'fake-indexeddb/auto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { NewsMessage } from '#lib/shard/mesh/types.ts';
import type { ShardProgress } from '#lib/shard/stage/host-protocol.ts';
import { ByteMeter } from '#lib/shard/runtime/byte-meter.ts';
import { deviceName } from '#lib/shard/runtime/device-name.ts';
import { NODE } from '#lib/shard/runtime/limits.ts';
import { memoryMeasurements } from '#lib/shard/runtime/measurements.ts';
import { dexieMeasurements } from '#lib/shard/runtime/measurements-browser.ts';
import { fileMeasurements } from '#lib/shard/runtime/measurements-server.ts';
import { Publisher } from '#lib/shard/runtime/publisher.ts';
import { ServerNews } from '#lib/shard/runtime/server-news.ts';
import { VOLUNTEER_OFF, type VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';

const range = { first: 0, last: 9 };

/** What a fetch says as these chunks become whole: name, bytes, where each was. */
function progressOf(...chunks: [name: string, bytes: number, from: 'cache' | 'network'][]) {
  const done = { networkBytes: 0, cacheBytes: 0 };
  return chunks.map(([name, bytes, from]): ShardProgress => {
    done[`${from}Bytes`] += bytes;
    const bytesDone = done.networkBytes + done.cacheBytes;
    const chunk = { sha256: name as ChunkHash, bytes, from };
    return { ...{ stage: 'shard', range, bytesDone, bytesTotal: 1000, chunk }, ...done };
  });
}

describe('bytes of a node', () => {
  it('sums over fetches, and a fetch that begins again counts from nothing', () => {
    const meter = new ByteMeter();
    const takeAll = (heard: readonly ShardProgress[], stepMs: number): void =>
      heard.forEach((progress, i) => meter.take(progress, instantMs(i * stepMs)));
    meter.begin();
    takeAll(progressOf(['a', 100, 'network'], ['b', 200, 'network']), 1000);
    expect(meter.secondsLeft()).toBeCloseTo(3.5);
    meter.begin();
    expect(meter.secondsLeft()).toBe(null);
    takeAll(progressOf(['x', 300, 'cache'], ['y', 700, 'network']), 2000);
    expect([meter.networkBytes, meter.cacheBytes]).toEqual([1000, 300]);
    expect(meter.secondsLeft()).toBe(0);
  });

  it('after a failed fetch finds in the cache what was counted, and counts it once', () => {
    const meter = new ByteMeter();
    const take = (progress: ShardProgress): void => meter.take(progress, instantMs(0));
    meter.begin();
    progressOf(['a', 100, 'cache'], ['b', 200, 'network']).forEach(take);
    for (let failures = 0; failures < 3; failures += 1) {
      meter.begin();
      progressOf(['a', 100, 'cache'], ['b', 200, 'cache'], ['c', 300, 'cache']).forEach(take);
    }
    expect([meter.networkBytes, meter.cacheBytes]).toEqual([200, 400]);
    // Evicted meanwhile: it did come over the network a second time.
    meter.begin();
    progressOf(['b', 200, 'network']).forEach(take);
    expect([meter.networkBytes, meter.cacheBytes]).toEqual([400, 400]);
  });

  it('bytes of a chunk that is not whole yet are no bytes, and a sign of life', () => {
    const meter = new ByteMeter();
    meter.begin();
    const [whole] = progressOf(['a', 100, 'network']);
    if (!whole) throw new Error('one chunk, one progress');
    meter.take(whole, instantMs(0));
    meter.take({ ...whole, chunk: null }, instantMs(1000));
    expect([meter.networkBytes, meter.cacheBytes]).toEqual([100, 0]);
  });
});

describe('news for the server', () => {
  const snapshot = (change: Partial<VolunteerSnapshot>): VolunteerSnapshot => ({
    ...VOLUNTEER_OFF,
    ...change,
  });

  it('a phase at once, bytes once a second, nothing twice, all again to a new incarnation', () => {
    const sent: NewsMessage[] = [];
    const news = new ServerNews((message) => sent.push(message) > 0);
    news.tellState(snapshot({}), 0);
    news.tellState(snapshot({ phase: 'loading' }), 0);
    news.tellState(snapshot({ phase: 'loading', bytesLoaded: 5 }), 500);
    news.tellState(snapshot({ phase: 'loading', bytesLoaded: 9 }), 1000);
    news.tellState(snapshot({ phase: 'loading', bytesLoaded: 9 }), 3000);
    news.tellState(snapshot({ phase: 'warming', bytesLoaded: 9 }), 3001);
    expect(sent.map((message) => message.type === 'state' && message.state)).toEqual([
      ...['loading', 'loading', 'warming'],
    ]);
    news.reset();
    news.tellState(snapshot({ phase: 'warming', bytesLoaded: 9 }), 3002);
    expect(sent).toHaveLength(4);
  });

  it('how fast links are, to a tenth, where that is known; again only where it changed', () => {
    const sent: NewsMessage[] = [];
    const news = new ServerNews((message) => sent.push(message) > 0);
    const worker = { sessions: 0, tokensServed: 0, stepMsP50: 0, stepRows: 0, steps: 0 };
    const tell = (rates: readonly (number | null)[], now: number): void => {
      const links = rates.map((bytesPerMs, i) => ({ peer: String(i), bytesPerMs }));
      const load = { worker: { ...worker, pagesFree: 9 }, links };
      news.tellLoad(load as unknown as Parameters<ServerNews['tellLoad']>[0], now);
    };
    tell([1000, null, 0.01], 0);
    tell([985, null, 0.01], 2_000);
    tell([1300, null, 0.01], 4_000);
    const rates = sent.map((message) => message.type === 'load' && message.linkRates);
    expect(rates).toHaveLength(2);
    expect(rates[0]).toEqual([
      { peer: '0', bytesPerMs: expect.closeTo(1000, -2) as number },
      { peer: '2', bytesPerMs: 1 },
    ]);
  });

  it('what could not be sent is said again', () => {
    let online = false;
    const sent: NewsMessage[] = [];
    const news = new ServerNews((message) => online && sent.push(message) > 0);
    news.tellState(snapshot({ phase: 'ready' }), 0);
    online = true;
    news.tellState(snapshot({ phase: 'ready' }), 1);
    expect(sent).toHaveLength(1);
  });
});

describe('snapshots for the page', () => {
  it('new objects on change only; a phase at once, the rest twice a second', () => {
    vi.useFakeTimers();
    let made: VolunteerSnapshot = VOLUNTEER_OFF;
    const publisher = new Publisher(() => ({ ...made }));
    let calls = 0;
    const stop = publisher.subscribe(() => (calls += 1));
    made = { ...made, phase: 'joining' };
    publisher.changed();
    expect([calls, publisher.snapshot.phase]).toEqual([1, 'joining']);
    for (let steps = 1; steps <= 50; steps += 1) {
      made = { ...made, steps };
      publisher.changed();
    }
    expect(calls).toBe(1);
    vi.advanceTimersByTime(NODE.drawEveryMs);
    expect([calls, publisher.snapshot.steps]).toEqual([2, 50]);
    const same = publisher.snapshot;
    publisher.changed();
    vi.advanceTimersByTime(NODE.drawEveryMs);
    expect(publisher.snapshot).toBe(same);
    stop();
    made = { ...made, phase: 'off' };
    publisher.changed();
    expect(calls).toBe(2);
    vi.useRealTimers();
  });
});

describe('device names', () => {
  it.each([
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36',
      'Chromium 156 · 8 cores',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0',
      'Edge 156 · 8 cores',
    ],
    [
      'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0',
      'Firefox 150 · 8 cores',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
      'Safari 26 · 8 cores',
    ],
    ['something else', 'Browser · 8 cores'],
  ])('%s', (userAgent, name) => {
    expect(deviceName(userAgent, 8)).toBe(name);
  });
});

describe('stored measurements', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'declai-measured-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const speed = { layerMs: [0.3, 1, 7], headMs: [2, 3, 20] } as const;
  const threads = { threads: 2, reason: 'device.threads' } as const;
  const cpu = { ...speed, memoryBytes: 2 ** 30, threads };
  const gpu = {
    kind: 'sound',
    engine: 'gpu-webgpu-f16',
    speed,
    memoryBytes: 2 ** 30,
    weightFactor: 1.2,
  } as const;
  const refused = { kind: 'refused', reason: 'device.shape' } as const;
  const measured = { cpu, gpu };
  it.each([
    ['memory', () => memoryMeasurements()],
    ['dexie', () => dexieMeasurements('test')],
    ['file', () => fileMeasurements(join(folder, 'm.json'))],
  ])('%s: keeps by key, forgets, answers null for what it does not have', async (_name, open) => {
    const store = open();
    expect(await store.get('a')).toBe(null);
    await store.put('a', measured);
    await store.put('b', { cpu, gpu: refused });
    expect(await store.get('a')).toEqual(measured);
    expect(await store.get('b')).toEqual({ cpu, gpu: refused });
    await store.forget('a');
    expect(await store.get('a')).toBe(null);
    expect((await store.get('b'))?.cpu).toEqual(cpu);
  });

  it('a spoiled file or row is measured again, not believed', async () => {
    const path = join(folder, 'spoiled.json');
    await writeFile(path, '{"a": {"layerMs": ["x", 1, 2], "headMs": [1, 2, 3]}');
    expect(await fileMeasurements(path).get('a')).toBe(null);
    const noThread = { threads: 0, reason: 'device.threads' };
    for (const part of [{ layerMs: ['x', 1, 2] }, { headMs: null }, { threads: noThread }]) {
      const spoiled = { cpu: { ...cpu, ...part }, gpu: refused };
      await writeFile(path, JSON.stringify({ a: spoiled, b: measured }));
      expect(await fileMeasurements(path).get('a')).toBe(null);
      expect(await fileMeasurements(path).get('b')).toEqual(measured);
    }
  });
});
