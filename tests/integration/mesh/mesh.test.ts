import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MIB } from '#lib/kernel/units.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { RowsFrame } from '#lib/shard/wire/frame.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { HubEvent } from '#server/signaling/hub.ts';
import {
  assertInterface,
  startCluster,
  startNode,
  type Cluster,
  type TestNode,
} from '#tests/support/mesh-cluster.ts';

const rows = (seq: number): RowsFrame => ({
  type: 'rows',
  session: 'ab'.repeat(16) as SessionId,
  epoch: 1,
  place: 1,
  seq,
  firstPosition: seq * 128,
  rows: 128,
  width: 576,
  dtype: 'f32',
  data: new Float32Array(128 * 576).fill(seq),
});

describe('mesh over sockets and WebRTC', () => {
  let cluster: Cluster;
  let nodes: TestNode[];
  beforeAll(assertInterface);
  beforeEach(async () => {
    cluster = await startCluster();
    nodes = [];
  });
  afterEach(async () => {
    for (const node of nodes) node.mesh.stop();
    await cluster.close();
  });

  async function online(count: number, options: Parameters<typeof startNode>[1] = {}) {
    const started = Array.from({ length: count }, () => startNode(cluster.url, options));
    nodes.push(...started);
    await vi.waitFor(() => expect(started.every((node) => node.saw('online'))).toBe(true), {
      timeout: 10_000,
    });
    return started;
  }

  const linked = (a: TestNode, b: TestNode, timeout = 10_000) =>
    vi.waitFor(
      () => {
        expect(a.saw('link-open', b.id)).toBeDefined();
        expect(b.saw('link-open', a.id)).toBeDefined();
      },
      { timeout },
    );

  /** Sends 10 MB of frames one way; the receiver's seqs and the most the link ever held. */
  async function transfer(from: TestNode, to: TestNode): Promise<{ seqs: number[]; ms: number }> {
    const seqs: number[] = [];
    to.channel(from.id).onFrames((frames) => {
      for (const frame of frames) {
        const whole = frame.type === 'rows' && frame.data.every((value) => value === frame.seq);
        if (whole) seqs.push(frame.seq);
      }
    });
    const count = Math.ceil((10 * MIB) / (128 * 576 * 4));
    const startedAt = performance.now();
    for (let seq = 0; seq < count; seq += 1) from.channel(to.id).send(rows(seq));
    expect(from.channel(to.id).queuedBytes).toBeGreaterThan(10 * MIB - 2 * RING.bufferedBytesMax);
    await vi.waitFor(() => expect(seqs.length).toBe(count), { timeout: 20_000 });
    return { seqs, ms: performance.now() - startedAt };
  }

  const inOrder = (seqs: number[]) => seqs.every((seq, index) => seq === index);

  it('[M3] three nodes link, measure RTT, and carry 10 MB in order with back-pressure', async () => {
    const [a, b, c] = (await online(3)) as [TestNode, TestNode, TestNode];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    cluster.hub.introduce(b.id, c.id, { relayOnly: false });
    cluster.hub.introduce(c.id, a.id, { relayOnly: false });
    await Promise.all([linked(a, b), linked(b, c), linked(c, a)]);
    expect(inOrder((await transfer(a, b)).seqs)).toBe(true);
    await vi.waitFor(
      () => {
        const info = a.mesh.info().find(({ peer }) => peer === b.id);
        expect(info).toMatchObject({ path: 'direct', state: 'open' });
        expect(info?.rttMs).toBeGreaterThan(0);
        expect(info?.bytesSent).toBeGreaterThan(10 * MIB);
      },
      { timeout: 10_000 },
    );
    expect(cluster.hub.relayedBytes()).toBe(0);
    const reported = (event: HubEvent) =>
      event.type === 'message' && event.message.type === 'link' && event.message.rttMs !== null;
    await vi.waitFor(() => expect(cluster.events.some(reported)).toBe(true), { timeout: 10_000 });
  });

  const closedAt = (node: TestNode, peer: NodeId) =>
    vi.waitFor(() => expect(node.saw('link-closed', peer)).toBeDefined(), {
      timeout: 1_000,
      interval: 10,
    });

  it('[V2] a clean stop closes the link at the other end within 1 s', async () => {
    const [a, b] = (await online(2)) as [TestNode, TestNode];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await linked(a, b);
    const ended = vi.fn();
    b.channel(a.id).onClose(ended);
    a.mesh.stop();
    await closedAt(b, a.id);
    await expect.poll(() => ended).toHaveBeenCalledWith('closed');
  });

  it('[M6] no direct path in 5 s: frames go by the relay, and not a byte directly', async () => {
    const [a, b] = (await online(2, { iceTransportPolicy: 'relay' })) as [TestNode, TestNode];
    cluster.hub.setRelayRule(() => true);
    const startedAt = performance.now();
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await linked(a, b, 15_000);
    expect(performance.now() - startedAt).toBeGreaterThan(4_900);
    expect(a.saw('link-open', b.id)?.path).toBe('relay');
    expect(inOrder((await transfer(a, b)).seqs)).toBe(true);
    expect(cluster.hub.relayedBytes()).toBeGreaterThan(10 * MIB);
    expect(a.mesh.info()[0]).toMatchObject({ path: 'relay', state: 'open' });
    await expect.poll(() => a.mesh.info()[0]?.rttMs).toBeGreaterThan(0);
  });

  it('[M6] a node that hides its addresses relays at once, whatever its peer would do', async () => {
    const [a] = (await online(1, { relayOnly: true })) as [TestNode];
    const [b] = (await online(1)) as [TestNode];
    cluster.hub.setRelayRule(() => true);
    cluster.hub.introduce(b.id, a.id, { relayOnly: false });
    await linked(a, b, 4_000);
    expect([a.saw('link-open')?.path, b.saw('link-open')?.path]).toEqual(['relay', 'relay']);
  });

  it('[M4] the relay drops what its rule forbids, and the window stays open for later', async () => {
    const [a, b] = (await online(2, { relayOnly: true })) as [TestNode, TestNode];
    let allowed = false;
    let asked = 0;
    cluster.hub.setRelayRule(() => {
      asked += 1;
      return allowed;
    });
    cluster.hub.introduce(a.id, b.id, { relayOnly: true });
    await linked(a, b);
    const seqs: number[] = [];
    b.channel(a.id).onFrames((frames) => {
      for (const frame of frames) if (frame.type === 'rows') seqs.push(frame.seq);
    });
    // One message each: no two of them fit one.
    const large = (seq: number): RowsFrame => ({
      ...rows(seq),
      rows: 20,
      data: new Float32Array(20 * 576),
    });
    for (let seq = 0; seq < 100; seq += 1) a.channel(b.id).send(large(seq));
    await vi.waitFor(() => expect(asked).toBe(100), { timeout: 10_000 });
    expect([seqs.length, cluster.hub.relayedBytes()]).toEqual([0, 0]);
    allowed = true;
    for (let seq = 100; seq < 150; seq += 1) a.channel(b.id).send(large(seq));
    await vi.waitFor(() => expect(seqs.length).toBe(50), { timeout: 10_000 });
    expect(seqs[0]).toBe(100);
  });

  it('[V3] a fenced node hears why, its links end at once, and it may begin anew', async () => {
    const [a, b] = (await online(2)) as [TestNode, TestNode];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await linked(a, b);
    const incarnation = a.mesh.incarnation as number;
    cluster.hub.fence(a.id, incarnation, { code: 'mesh/refused', message: 'declared' });
    await closedAt(b, a.id);
    await expect.poll(() => a.saw('goodbye')?.code).toBe('mesh/refused');
    expect(a.saw('link-closed', b.id)?.why).toBe('mesh/refused');
    expect(cluster.hub.send(a.id, incarnation, { type: 'ping', at: 1 })).toBe(false);
  });
});
