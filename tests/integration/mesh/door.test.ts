import { request } from 'node:http';
import { io, type Socket } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IdentityId } from '#lib/kernel/ids.ts';
import { encodeLinkMessage } from '#lib/shard/mesh/link-message.ts';
import { makeHello, type Hello } from '#lib/shard/mesh/hello.ts';
import { keyPairFromSeed, newNodeKeys, newSeed, type NodeKeys } from '#lib/shard/mesh/identity.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { KIND_PER_SECOND_MAX } from '#server/signaling/limits.ts';
import { startCluster, startNode, type Cluster } from '#tests/support/mesh-cluster.ts';
import { PROFILE } from '#tests/support/profile.ts';

/** What a stranger with a plain socket can do at the server's door. */
describe('signaling’s door', () => {
  let cluster: Cluster;
  const sockets: Socket[] = [];
  beforeEach(async () => {
    cluster = await startCluster();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.disconnect();
    await cluster.close();
  });

  interface Stranger {
    readonly socket: Socket;
    readonly challenge: Challenge;
    readonly said: { readonly type: string; readonly code?: string }[];
    readonly closed: () => boolean;
    readonly say: (message: unknown) => void;
  }

  async function stranger(): Promise<Stranger> {
    const socket = io(cluster.url, {
      path: SIGNALING_PATH,
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
    });
    sockets.push(socket);
    const said: Stranger['said'] = [];
    let closed = false;
    socket.on('disconnect', () => (closed = true));
    socket.on('message', (...texts: string[]) => {
      for (const text of texts) said.push(JSON.parse(text) as { type: string });
    });
    await expect.poll(() => said).toHaveLength(1);
    return {
      socket,
      challenge: said[0] as unknown as Challenge,
      said,
      closed: () => closed,
      say: (message) => socket.emit('message', JSON.stringify(message)),
    };
  }

  const refused = (who: Stranger, code: string, timeout = 10_000) =>
    vi.waitFor(
      () => {
        expect(who.said.at(-1)).toMatchObject({ type: 'goodbye', code });
        expect(who.closed()).toBe(true);
      },
      { timeout },
    );

  const keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
  const helloTo = (challenge: Challenge): Hello =>
    makeHello(keys, challenge, { profile: PROFILE, resume: null });

  it('[M2] a hello that was heard elsewhere is refused, and so is one said twice', async () => {
    const [first, second] = [await stranger(), await stranger()];
    first.say(helloTo(first.challenge));
    await expect.poll(() => first.said.map(({ type }) => type)).toContain('welcome');
    second.say(helloTo(first.challenge));
    await refused(second, 'mesh/bad-signature');
    first.say(helloTo(first.challenge));
    await expect.poll(() => first.closed()).toBe(true);
  });

  it('[M2] another protocol version hears that it must reload, whatever else it says', async () => {
    const old = await stranger();
    old.say({ type: 'hello', protocol: WIRE.protocolVersion + 1, shape: 'unknown' });
    await refused(old, 'wire/version');
  });

  it('[M2] a server that names another origin than the one dialled gets no hello', async () => {
    const node = startNode(cluster.url.replace('127.0.0.1', 'localhost'));
    await expect.poll(() => node.saw('online')).toBeDefined();
    node.mesh.stop();
    const { port } = new URL(cluster.url);
    const status = await new Promise<number>((resolve, reject) => {
      const upgrade = request({
        port,
        host: '127.0.0.1',
        path: `${SIGNALING_PATH}/?EIO=4&transport=websocket`,
        headers: {
          host: 'evil.example',
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        },
      });
      upgrade.on('response', (response) => resolve(response.statusCode ?? 0));
      upgrade.on('upgrade', () => reject(new Error('was let in')));
      upgrade.on('error', reject);
      upgrade.end();
    });
    expect(status).toBe(400);
    expect(cluster.goodbyes).toEqual(['mesh/refused']);
  });

  it('[M5] a silent socket is closed after 5 s', async () => {
    const silent = await stranger();
    const since = performance.now();
    await refused(silent, 'kernel/timeout', 15_000);
    expect(performance.now() - since).toBeGreaterThan(4_500);
  });

  it.each([
    ['not JSON', '{', 'wire/malformed'],
    ['an unknown type', '{"type":"root"}', 'wire/malformed'],
    ['orders before hello', '{"type":"resume"}', 'mesh/refused'],
    ['more than a message', `"${'x'.repeat(WIRE.messageBytesMax)}"`, 'wire/too-large'],
  ])('%s: closed with the reason', async (_, text, code) => {
    const who = await stranger();
    who.socket.emit('message', text);
    await refused(who, code);
  });

  const welcomedStranger = async (): Promise<Stranger> => {
    const who = await stranger();
    who.say(helloTo(who.challenge));
    await expect.poll(() => who.said.map(({ type }) => type)).toContain('welcome');
    return who;
  };
  it('[M4] trains pass between two as often as they measure, and no more', async () => {
    const [from, to] = [await stranger(), await stranger()];
    const ids = [from, to].map((who) => {
      const own = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
      who.say(makeHello(own, who.challenge, { profile: PROFILE, resume: null }));
      return own.node.id;
    });
    const introduced = () => from.said.find(({ type }) => type === 'introduce');
    await expect.poll(() => to.said.at(-1)?.type).toBe('welcome');
    await expect.poll(() => from.said.at(-1)?.type).toBe('welcome');
    cluster.hub.introduce(ids[0]!, ids[1]!, { relayOnly: true });
    await expect.poll(() => introduced()).toBeDefined();
    const { link } = introduced() as unknown as { link: string };
    let cars = 0;
    to.socket.on('relay', () => (cars += 1));
    const train = Array.from({ length: 16 }, (_, at) => ({ round: 1, at, of: 16 }));
    const since = performance.now();
    for (let i = 0; i < 20; i += 1) {
      for (const car of train) {
        from.socket.emit('relay', link, encodeLinkMessage({ type: 'car', car, bytes: 4_096 }));
      }
    }
    await expect.poll(() => cars).toBeGreaterThanOrEqual(32);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Two at once, and one a second more.
    const seconds = (performance.now() - since) / 1_000;
    expect(cars).toBeLessThanOrEqual(train.length * (2 + Math.ceil(seconds)));
    expect(from.closed()).toBe(false);
    expect(cluster.hub.relayedBytes()).toBe(0);
  });

  const heard = (type: string) =>
    cluster.events.filter((event) => event.type === 'message' && event.message.type === type);

  it.each([
    ['leave', { type: 'leave', how: 'pause' }],
    ['resume', { type: 'resume' }],
    [
      'load-failed',
      {
        ...{ type: 'load-failed', code: 'engine/out-of-memory', message: '' },
        ...{ model: { id: 'a', hash: 'a'.repeat(64) }, range: { first: 0, last: 1 } },
      },
    ],
    ['session/resync', { type: 'session', message: { type: 'resync', sessions: [] } }],
  ] as const)('[M5] more %s than its kind allows: closed, told why, fenced', async (kind, said) => {
    const who = await welcomedStranger();
    for (let i = 0; i < 500; i += 1) who.say(said);
    await refused(who, 'mesh/limit');
    await expect.poll(() => cluster.events.map(({ type }) => type)).toContain('overrun');
    const most = KIND_PER_SECOND_MAX[kind];
    expect(heard(said.type).length).toBeGreaterThanOrEqual(most);
    // On a busy machine the bucket refills a little before the next message is read.
    expect(heard(said.type).length).toBeLessThanOrEqual(most + 4);
    expect(cluster.events.filter(({ type }) => type === 'overrun')).toEqual([
      { type: 'overrun', node: keys.node.id, incarnation: expect.any(Number) as number },
    ]);
    expect(cluster.goodbyes).toEqual(['mesh/limit']);
  });

  it('[M5] as many as an honest node says pass: a page shown and hidden, sessions that move', async () => {
    const who = await welcomedStranger();
    const session = 'a'.repeat(32);
    for (let i = 0; i < 4; i += 1) {
      who.say({ type: 'leave', how: 'pause' });
      who.say({ type: 'resume' });
    }
    for (let i = 0; i < 600; i += 1) {
      const token = { type: 'token', session, epoch: 1, place: 0, index: i, id: 1, last: false };
      who.say({ type: 'session', message: token });
    }
    await vi.waitFor(() => expect(heard('session')).toHaveLength(600), { timeout: 10_000 });
    expect(who.closed()).toBe(false);
  });

  it('[M5] more messages of all kinds than the rate: closed with the reason', async () => {
    const who = await welcomedStranger();
    // Signals have no rate of their own.
    const signal = { type: 'signal', to: keys.node.id, link: '1'.repeat(32), payload: '' };
    for (let i = 0; i < 4_000; i += 1) who.say({ ...signal, signature: null });
    await refused(who, 'mesh/limit');
  });

  it('[M3] signals and relayed bytes reach nobody who was not introduced', async () => {
    const welcomed = async (as: NodeKeys) => {
      const who = await stranger();
      who.say(makeHello(as, who.challenge, { profile: PROFILE, resume: null }));
      await expect.poll(() => who.said.map(({ type }) => type)).toContain('welcome');
      return who;
    };
    const victimKeys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
    const [victim, who] = [await welcomed(victimKeys), await welcomed(keys)];
    const relayed = vi.fn();
    victim.socket.on('relay', relayed);
    cluster.hub.setRelayRule(() => true);
    const link = '1'.repeat(32);
    const to = victimKeys.node.id;
    who.say({ type: 'signal', to, link, payload: '{"type":"relay"}', signature: null });
    who.socket.emit('relay', link, Uint8Array.of(0, 1, 2, 3));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cluster.hub.relayedBytes()).toBe(0);
    expect(relayed).not.toHaveBeenCalled();
    expect(victim.said.map(({ type }) => type)).not.toContain('signal');
    expect(who.closed()).toBe(false);
  });
});
