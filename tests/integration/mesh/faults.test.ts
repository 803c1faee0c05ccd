import { spawn, type ChildProcess } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import {
  assertInterface,
  startCluster,
  startNode,
  type Cluster,
  type TestNode,
} from '#tests/support/mesh-cluster.ts';

describe('mesh under faults', () => {
  let cluster: Cluster;
  const cleanups: (() => void)[] = [];
  beforeAll(assertInterface);
  beforeEach(async () => {
    cluster = await startCluster();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) cleanup();
    await cluster.close();
  });

  async function online(options: Parameters<typeof startNode>[1] = {}, url = cluster.url) {
    const node = startNode(url, options);
    cleanups.push(() => node.mesh.stop());
    await vi.waitFor(() => expect(node.saw('online')).toBeDefined(), { timeout: 10_000 });
    return node;
  }

  const closes = (node: TestNode, peer: NodeId, timeout: number) =>
    vi.waitFor(() => expect(node.saw('link-closed', peer)).toBeDefined(), {
      timeout,
      interval: 10,
    });
  const opens = (node: TestNode, peer: NodeId) =>
    vi.waitFor(() => expect(node.saw('link-open', peer)).toBeDefined(), { timeout: 10_000 });

  async function childOnline(): Promise<{ id: NodeId; child: ChildProcess }> {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'tests/integration/mesh/child-node.ts', cluster.url],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    cleanups.push(() => child.kill('SIGKILL'));
    const id = await new Promise<string>((resolve) => {
      child.stdout.once('data', (line: Buffer) => {
        resolve(line.toString().trim());
      });
    });
    return { id: id as NodeId, child };
  }

  it('[V1] a killed process: its links end within 1 s', async () => {
    const a = await online();
    const { id, child } = await childOnline();
    cluster.hub.introduce(id, a.id, { relayOnly: false });
    await opens(a, id);
    expect(a.saw('link-open')?.path).toBe('direct');
    child.kill('SIGKILL');
    await closes(a, id, 1_000);
  });

  it('[V1] a frozen process: its links end by silence, after 2 s and before 3.5 s', async () => {
    const a = await online();
    const { id, child } = await childOnline();
    cluster.hub.introduce(id, a.id, { relayOnly: false });
    await opens(a, id);
    await vi.waitFor(() => expect(a.mesh.info()[0]?.rttMs).toBeGreaterThan(0), { timeout: 10_000 });
    const frozenAt = performance.now();
    child.kill('SIGSTOP');
    await closes(a, id, 5_000);
    expect(performance.now() - frozenAt).toBeGreaterThan(1_500);
    expect(performance.now() - frozenAt).toBeLessThan(3_500);
  });

  it('[M3] an offer that another key signed opens nothing', async () => {
    const victim = await online();
    const keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
    const other = keyPairFromSeed<NodeId>(newSeed());
    let forge = false;
    const sign = (message: Uint8Array) => (forge ? other : keys.node).sign(message);
    const forger = await online({ keys: { ...keys, node: { ...keys.node, sign } } });
    forge = true;
    cluster.hub.introduce(forger.id, victim.id, { relayOnly: false });
    await closes(victim, forger.id, 10_000);
    expect(victim.saw('link-closed')?.why).toBe('mesh/bad-signature');
    await closes(forger, victim.id, 10_000);
    expect(victim.saw('link-open')).toBeUndefined();
    forge = false;
    cluster.hub.introduce(victim.id, forger.id, { relayOnly: false });
    await opens(victim, forger.id);
    await opens(forger, victim.id);
    forge = true;
    cluster.hub.introduce(victim.id, forger.id, { relayOnly: false });
    await expect
      .poll(() => victim.events.filter((e) => e.type === 'link-closed').at(-1))
      .toMatchObject({ why: 'mesh/bad-signature' });
  });

  /** A way to the server that the test can cut, and let nobody through. */
  async function cuttable() {
    const sockets = new Set<Socket>();
    const wire = { url: '', isOpen: true, cut: () => {} };
    const target = new URL(cluster.url);
    const proxy = createServer((inbound) => {
      if (!wire.isOpen) {
        inbound.destroy();
        return;
      }
      const outbound = connect(Number(target.port), target.hostname);
      for (const socket of [inbound, outbound]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          inbound.destroy();
          outbound.destroy();
        });
      }
      inbound.pipe(outbound).pipe(inbound);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    wire.cut = () => {
      for (const socket of sockets) socket.resetAndDestroy();
    };
    cleanups.push(() => {
      wire.cut();
      proxy.close();
    });
    wire.url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    return wire;
  }

  it('[S4] a cut socket comes back to its incarnation, and its direct links never closed', async () => {
    const wire = await cuttable();
    const a = await online({}, wire.url);
    const b = await online();
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await opens(a, b.id);
    const { incarnation } = a.mesh;
    // However long the machine takes to bring the socket back.
    cluster.fenceMs = 20_000;
    wire.isOpen = false;
    wire.cut();
    await expect.poll(() => a.saw('offline')).toBeDefined();
    expect(a.mesh.send({ type: 'resume' })).toBe(false);
    wire.isOpen = true;
    await vi.waitFor(() => expect(a.saw('online')?.resumed).toBe(true), { timeout: 10_000 });
    expect(a.mesh.incarnation).toBe(incarnation);
    expect(cluster.events.map((event) => event.type)).toContain('back');
    expect(a.saw('link-closed')).toBeUndefined();
    expect(b.saw('link-closed')).toBeUndefined();
  });

  it('[V3] a socket that stays away is a new life: all links end at both ends', async () => {
    const wire = await cuttable();
    const a = await online({}, wire.url);
    const b = await online();
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await opens(b, a.id);
    const { incarnation } = a.mesh;
    wire.isOpen = false;
    wire.cut();
    await closes(b, a.id, 2_000);
    wire.isOpen = true;
    await vi.waitFor(() => expect(a.mesh.incarnation).not.toBe(incarnation), { timeout: 10_000 });
    expect(a.saw('online')?.resumed).toBe(false);
    expect(a.saw('link-closed', b.id)).toBeDefined();
  });
});
