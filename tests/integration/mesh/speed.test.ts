import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  assertInterface,
  startCluster,
  startNode,
  type Cluster,
  type TestNode,
} from '#tests/support/mesh-cluster.ts';
import { SlowDoor } from '#tests/support/slow-door.ts';
import { SlowLine } from '#tests/support/slow-line.ts';

/** What three tabs of SmolLM2-135M read of rows as they are, in a millisecond: a slower link narrows them. */
const FAST_BYTES_PER_MS = 2_000;

describe('[S9] how fast a real link is', { timeout: 30_000 }, () => {
  let cluster: Cluster;
  let nodes: TestNode[];
  let line: SlowLine | SlowDoor | null = null;
  beforeAll(assertInterface);
  beforeEach(async () => {
    cluster = await startCluster();
    nodes = [];
  });
  afterEach(async () => {
    for (const node of nodes) node.mesh.stop();
    line?.close();
    line = null;
    await cluster.close();
  });

  async function link(
    options: readonly Parameters<typeof startNode>[1][],
    { path = 'direct', urls = [cluster.url, cluster.url] } = {},
  ) {
    nodes = options.map((each, i) => startNode(urls[i] ?? cluster.url, each));
    const [a, b] = nodes as [TestNode, TestNode];
    await vi.waitFor(() => expect(nodes.every((node) => node.saw('online'))).toBe(true), 10_000);
    cluster.hub.introduce(a.id, b.id, { relayOnly: path === 'relay' });
    await vi.waitFor(() => expect(nodes.every((node) => node.saw('link-open'))).toBe(true), 15_000);
    expect(a.saw('link-open')?.path).toBe(path);
  }
  /** Both ends, idle, of a line that is slow or long. */
  const over = (slow: ConstructorParameters<typeof SlowLine>[0]) => {
    line = new SlowLine(slow);
    return [line.near, line.far].map((wrtc) => ({ wrtc, isIdle: () => true }));
  };
  const speeds = () => nodes.map(({ mesh }) => mesh.info()[0]?.bytesPerMs ?? null);
  const known = async (): Promise<number[]> => {
    await vi.waitFor(() => expect(speeds()).not.toContain(null), {
      timeout: 15_000,
      interval: 100,
    });
    return speeds().map((each) => each ?? NaN);
  };

  it.each([100, 500])('is that of a line of %i bytes a millisecond, both ways', async (rate) => {
    await link(over({ bytesPerMs: rate, delayMs: 0 }));
    for (const speed of await known()) {
      // Headers of DTLS and SCTP take a share; a thread that is kept takes some messages at once.
      expect(speed).toBeGreaterThan(0.6 * rate);
      expect(speed).toBeLessThan(1.6 * rate);
    }
  });

  it('is by the relay that of the slower line to the server, and counts as no frames', async () => {
    const door = await SlowDoor.open(cluster.url);
    line = door;
    door.bytesPerMs = 100;
    const idle = { isIdle: () => true };
    await link([idle, idle], { path: 'relay', urls: [cluster.url, door.url] });
    for (const speed of await known()) {
      expect(speed).toBeGreaterThan(60);
      expect(speed).toBeLessThan(160);
    }
    expect(cluster.hub.relayedBytes()).toBe(0);
  });

  it('is by the relay no less than rows need where lines are fast', async () => {
    await link([{ isIdle: () => true }, { isIdle: () => true }], { path: 'relay' });
    for (const speed of await known()) expect(speed).toBeGreaterThan(FAST_BYTES_PER_MS);
  });

  it('is not that of a long round trip', async () => {
    await link(over({ bytesPerMs: 12_000, delayMs: 40 }));
    for (const speed of await known()) expect(speed).toBeGreaterThan(FAST_BYTES_PER_MS);
  });

  it('is not that of a reader whose thread stands still half of the time', async () => {
    await link([{ isIdle: () => true }, { isIdle: () => true }]);
    const blocking = setInterval(() => {
      const until = performance.now() + 30;
      while (performance.now() < until);
    }, 60);
    try {
      for (const speed of await known()) expect(speed).toBeGreaterThan(FAST_BYTES_PER_MS);
    } finally {
      clearInterval(blocking);
    }
  });

  it('is not asked while either end works', async () => {
    let idle = false;
    await link([{ isIdle: () => true }, { isIdle: () => idle }]);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(speeds()).toEqual([null, null]);
    idle = true;
    await known();
  });
});
