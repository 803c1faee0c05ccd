import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { encodeRequest } from '#lib/ledger/client/wire/requests.ts';
import { encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { loadConfig } from '#server/replica/config.ts';
import { REPLICA_LIMITS, REPLICA_TIMES } from '#server/replica/limits.ts';
import { startReplica, type RunningReplica } from '#server/replica/replica.ts';
import { selfSigned, type Identity } from '#server/replica/transport/certificate.ts';
import { FrameReader, frameOf } from '#server/replica/transport/frames.ts';
import { Links } from '#server/replica/transport/links.ts';
import { REPLICA_PROTOCOL } from '#server/replica/transport/tls.ts';
import { freePortRuns } from '#server/replica/free-ports.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { PortClient } from '#tests/support/ledger/port-client.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

/** One replica of four that are never started: whoever comes is the test. */
let network: LocalNetwork;
let replica: RunningReplica;
let member: Identity;
let startedAt = 0;

beforeAll(async () => {
  network = await localNetwork();
  replica = await startReplica(await loadConfig(network.configs[0]!), {
    failed: (fault) => {
      throw fault;
    },
    rotated: () => undefined,
  });
  startedAt = performance.now();
  member = await selfSigned((await loadConfig(network.configs[1]!)).keys.transportSeed);
});
afterAll(async () => {
  await replica.close();
  await network.remove();
});

/** A connection as told, and whether the replica kept it open. */
async function comes(options: ConnectionOptions): Promise<{ socket: TLSSocket; isKept: boolean }> {
  const socket = connect({
    ...{ host: '127.0.0.1', port: replica.ports.replicas, rejectUnauthorized: false },
    ...{ ALPNProtocols: [REPLICA_PROTOCOL], ...options },
  });
  socket.on('error', () => undefined);
  const isKept = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
  return { socket, isKept };
}

/** Its end, with an error or without. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

const keyed = ({ key, cert }: Identity): ConnectionOptions => ({ key, cert });
const peersUp = (): number => replica.health().peers.filter(({ isUp }) => isUp).length;

test('[X7] a full share of one connection is busy; without a quorum it is told so at once', async () => {
  const client = must(await PortClient.connect(replica.ports.clients), 'a client');
  const grant = (nonce: number): Uint8Array =>
    signTransaction(
      {
        ...{ chain: network.chain, nonce: BigInt(nonce) },
        validUntilMs: BigInt(Date.now()) + 60_000n,
        body: {
          type: 'grant',
          publicKey: signerOf('anna').publicKey,
          amountMicro: 1n,
          expiresAtMs: BigInt(Date.now()) + 86_400_000n,
        },
      },
      signerOf('gateway'),
    );
  const isEarly = performance.now() - startedAt < 1_000;
  if (isEarly) {
    const full = REPLICA_LIMITS.waitingPerClientMax;
    for (let i = 0; i < full; i += 1) void client.ask({ type: 'submit', transaction: grant(i) });
    const refusal = await client.ask({ type: 'submit', transaction: grant(full) });
    expect(refusal).toMatchObject({ type: 'refused', code: 'ledger/busy' });
    expect(refusal).toHaveProperty('retryAfterMs', 250);
  }
  const other = must(await PortClient.connect(replica.ports.clients), 'a client');
  await vi.waitFor(() => expect(replica.health()).toMatchObject({ hasQuorum: false }), {
    timeout: 10_000,
  });
  const refusal = await other.ask({ type: 'submit', transaction: grant(9_999) });
  expect(refusal).toMatchObject({ type: 'refused', code: 'ledger/no-quorum' });
  // It still answers what it can, and says whom it hears.
  expect(await other.ask({ type: 'status' })).toMatchObject({ type: 'status', peers: 0 });
  client.close();
  other.close();
});

test('[X5] a stranger, somebody without a certificate, and old TLS are no members', async () => {
  const stranger = await selfSigned(new Uint8Array(randomBytes(32)));
  expect(await comes(keyed(stranger))).toMatchObject({ isKept: false });
  expect(await comes({})).toMatchObject({ isKept: false });
  expect(await comes({ ...keyed(member), maxVersion: 'TLSv1.2' })).toMatchObject({ isKept: false });
  const protocol = { ALPNProtocols: ['declai-ledger-client/1'] };
  expect(await comes({ ...keyed(member), ...protocol })).toMatchObject({ isKept: false });
  expect(peersUp()).toBe(0);
});

test('[X5] a member is let in once: a second connection takes the place of the first; no resumption', async () => {
  const sessions: Buffer[] = [];
  const first = connect({
    ...{ host: '127.0.0.1', port: replica.ports.replicas, rejectUnauthorized: false },
    ...{ ALPNProtocols: [REPLICA_PROTOCOL], ...keyed(member) },
  });
  first.on('error', () => undefined);
  first.on('session', (session: Buffer) => sessions.push(session));
  await once(first, 'data');
  expect(peersUp()).toBe(1);
  const gone = closed(first);
  const { socket, isKept } = await comes(keyed(member));
  await gone;
  expect(isKept).toBe(true);
  expect(peersUp()).toBe(1);
  expect(sessions.length).toBeGreaterThan(0);
  for (const session of sessions) {
    const again = await comes({ ...keyed(member), session });
    // Either a whole handshake with the certificate, or none at all.
    expect(again.isKept && again.socket.isSessionReused()).toBe(false);
    again.socket.destroy();
  }
  socket.destroy();
});

test('[X5] who answers at a member’s address without its key gets no byte', async () => {
  const [port = 0, dead = 0] = await freePortRuns(2, 1);
  const impostor = await selfSigned(new Uint8Array(randomBytes(32)));
  const expected = await selfSigned(new Uint8Array(randomBytes(32)));
  const own = await selfSigned(new Uint8Array(randomBytes(32)));
  const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');
  const peers = (ofB: Uint8Array) => [
    {
      ...{ id: 'a', transportKey: hex(own.publicKey) },
      address: { host: '127.0.0.1', port: dead },
    },
    { id: 'b', transportKey: hex(ofB), address: { host: '127.0.0.1', port } },
  ];
  const heard: string[] = [];
  const linksOf = (id: string, identity: Identity, at: number): Links =>
    new Links({
      ...{ id, identity, listen: { host: '127.0.0.1', port: at } },
      onFrame: (_, bytes) => {
        heard.push(`${id} ${bytes.length}`);
        return 'used';
      },
      onAlive: (from) => heard.push(`${id} hears ${from}`),
    });
  const b = linksOf('b', impostor, port);
  await b.listen();
  b.setPeers(peers(impostor.publicKey));
  const a = linksOf('a', own, dead);
  a.setPeers(peers(expected.publicKey));
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(heard).toEqual([]);
  expect(a.views()).toMatchObject([{ id: 'b', isUp: false }]);
  // With the right key in the list the same two hear one another.
  a.setPeers(peers(impostor.publicKey));
  await vi.waitFor(() => expect(heard).toContain('a hears b'), { timeout: 10_000 });
  a.close();
  b.close();
});

test('[X6] a length header of 1 GB, garbage and half frames end their connection and nothing else', async () => {
  const gigabyte = new Uint8Array([0x40, 0, 0, 0]);
  for (const bytes of [
    gigabyte,
    frameOf(new Uint8Array([200, 1, 2, 3])),
    frameOf(randomBytes(64)),
  ]) {
    const client = must(await PortClient.connect(replica.ports.clients), 'a client');
    client.raw(bytes);
    await client.closed();
  }
  const after = must(await PortClient.connect(replica.ports.clients), 'a client');
  expect(await after.ask({ type: 'status' })).toMatchObject({ type: 'status' });
  after.close();
});

/** What a member says that is none, what it is told, and how it fares when it comes again. */
async function misbehaves(stream: Uint8Array): Promise<Uint8Array[]> {
  const { socket, isKept } = await comes(keyed(member));
  expect(isKept).toBe(true);
  socket.write(frameOf(encodeMessage({ type: 'heartbeat', epoch: 0, view: 0 })));
  await expect.poll(peersUp).toBe(1);
  const said: Uint8Array[] = [];
  const reader = new FrameReader(1024);
  socket.on('data', (chunk: Buffer) => said.push(...reader.push(chunk)));
  const gone = closed(socket);
  socket.write(stream);
  await gone;
  expect(await comes(keyed(member))).toMatchObject({ isKept: false });
  return said;
}

const END = 2;

test('[X12] a member that sends what is no message is told why, and shut out for longer each time', async () => {
  const garbage = frameOf(Uint8Array.from({ length: 100 }, () => 200));
  const said = await misbehaves(garbage);
  expect(said.map((frame) => [...frame.subarray(0, 3)])).toContainEqual([0, END, 0]);
  const letIn = async (): Promise<boolean> => {
    const { socket, isKept } = await comes(keyed(member));
    socket.destroy();
    return isKept;
  };
  await expect.poll(letIn, { interval: 100 }).toBe(true);
  await expect.poll(peersUp).toBe(0);
  const since = performance.now();
  await misbehaves(new Uint8Array([0x40, 0, 0, 0]));
  await expect.poll(letIn, { interval: 100 }).toBe(true);
  expect(performance.now() - since).toBeGreaterThan(1.9 * REPLICA_TIMES.shunMsMin);
  const metrics = await fetch(`http://127.0.0.1:${replica.ports.operator}/metrics`);
  const text = await metrics.text();
  expect(text).toMatch(/declai_ledger_links_ended{code="wire\/malformed",by="us"} 1/);
  expect(text).toMatch(/declai_ledger_links_ended{code="wire\/too-large",by="us"} 1/);
}, 60_000);

test('[X6] a client that never reads is closed, and one thousand are let in', async () => {
  const deaf = must(await PortClient.connect(replica.ports.clients), 'a client');
  deaf.socket.pause();
  const gone = deaf.closed();
  const before = process.memoryUsage().rss;
  // Each answer holds a few hundred bytes, and a client may have some megabytes wait.
  const keys = Array.from({ length: 64 }, (_, i) => new Uint8Array(32).fill(i));
  const question = encodeRequest({ tag: 1, type: 'read', at: 'newest', minSequence: 0, keys });
  const page = Buffer.concat(Array.from({ length: 64 }, () => frameOf(question)));
  const asking = setInterval(() => {
    if (deaf.socket.writableLength < page.length) deaf.raw(page);
  }, 1);
  await gone;
  clearInterval(asking);
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  const crowd: (PortClient | null)[] = [];
  for (let i = 0; i < 1_000; i += 50) {
    const page = Array.from({ length: 50 }, () => PortClient.connect(replica.ports.clients));
    crowd.push(...(await Promise.all(page)));
  }
  const last = must(crowd.at(-1) ?? null, 'the thousandth client');
  expect(await last.ask({ type: 'status' })).toMatchObject({ type: 'status' });
  expect(replica.health().clients).toBeGreaterThanOrEqual(1_000);
  for (const client of crowd) client?.close();
  await expect.poll(() => replica.health().clients).toBe(0);
}, 60_000);

test('[X6] five hundred garbage connections before the handshake leave it standing', async () => {
  const sockets = Array.from({ length: 500 }, (_, i) => {
    const socket = new Socket();
    socket.on('error', () => undefined);
    // Unread, its end would never be seen.
    socket.resume();
    const port = i % 2 === 0 ? replica.ports.clients : replica.ports.replicas;
    socket.connect(port, '127.0.0.1', () => socket.write(randomBytes(200)));
    return socket;
  });
  await Promise.all(sockets.filter((socket) => !socket.closed).map(closed));
  const client = must(await PortClient.connect(replica.ports.clients), 'a client');
  expect(await client.ask({ type: 'status' })).toMatchObject({ type: 'status' });
  client.close();
});
