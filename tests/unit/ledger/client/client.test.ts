import { afterEach, expect, test, vi } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { NONCES_RECENT_MAX } from '#lib/ledger/account/limits.ts';
import type { LedgerClient, LedgerClientOptions } from '#lib/ledger/client/client.ts';
import { Connection } from '#lib/ledger/client/connection.ts';
import { Following, type FollowedBlock } from '#lib/ledger/client/following.ts';
import { Knowledge } from '#lib/ledger/client/knowledge.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { gatewayClient } from '#tests/support/ledger/gateway-client.ts';
import { faultOf } from '#tests/support/ledger/light-clients.ts';
import { forgedSeals, KEYS_OF_EPOCH_0 } from '#tests/support/ledger/lies.ts';
import { LocalCluster } from '#tests/support/ledger/local-cluster.ts';
import { MemoryNetwork } from '#tests/support/ledger/memory-network.ts';
import { bytes32, HOUR } from '#tests/support/ledger/world.ts';

const opened: LedgerClient[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.close();
});

test('[L9] a replica that sends what is no answer is dialled later, and later each time', () => {
  vi.useFakeTimers();
  try {
    const dials: number[] = [];
    const connection = new Connection({
      name: 'noise',
      dial(handlers) {
        dials.push(performance.now());
        setTimeout(() => {
          handlers.onOpen();
          handlers.onFrame(Uint8Array.of(1, 2, 3));
        }, 5);
        return { send: () => true, close: () => handlers.onClose() };
      },
    });
    vi.advanceTimersByTime(120_000);
    connection.close();
    const pauses = dials.slice(1).map((at, i) => Math.round((at - dials[i]!) / 1_000));
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30]);
  } finally {
    vi.useRealTimers();
  }
});

function setUp(more: Partial<LedgerClientOptions> = {}) {
  const cluster = new LocalCluster();
  const network = new MemoryNetwork(cluster);
  const { world } = cluster;
  const client = gatewayClient(network, more);
  opened.push(client);
  const grant = (name: string) =>
    client.grant({
      ...{ publicKey: world.key(name), amountMicro: 1_000n },
      expiresAtMs: world.timeMs + 24n * HOUR,
    });
  return { cluster, network, world, client, grant };
}

test('[L9] a request goes to all replicas, and f + 1 SEALs show what became of it', async () => {
  const { client, grant, network, world } = setUp();
  const done = await grant('ann');
  expect(done).toMatchObject({ sequence: 1, code: 'ok' });
  expect(done.certificate.certified.seals.length).toBeGreaterThanOrEqual(2);
  expect(network.ports.every(({ asked }) => asked.includes('submit'))).toBe(true);
  // Without effect, and proven as well.
  expect(await grant('ann')).toMatchObject({ sequence: 2, code: 'ledger/id-conflict' });
  expect(await client.account(world.id('ann'))).toMatchObject({
    ...{ record: { starterMicro: 1_000n }, sequence: 2, isStale: false },
    certificate: { weight: 'header' },
  });
  expect((await client.account(world.id('nobody'))).record).toBeNull();
});

test('[L9] a network without a block yet is read by its genesis', async () => {
  const { client, world } = setUp();
  expect(await client.account(world.id('ann'))).toMatchObject({ record: null, sequence: 0 });
});

test('[L9] holds are captured and voided, and listed while they are open', async () => {
  const { client, cluster, network, grant, world } = setUp();
  await grant('ann');
  const [first, second] = [world.holdId('first'), world.holdId('second')];
  for (const holdId of [first, second]) {
    cluster.submit(world.sign(world.hold(holdId, 'ann')));
  }
  network.flush();
  const gateway = world.key('gateway');
  const page = await client.holdsOf({ gateway });
  expect(page.holds.map(({ amountMicro }) => amountMicro)).toEqual([100n, 100n]);
  expect(page.next).toBeNull();
  expect(await client.capture({ holdId: first, amountMicro: 40n })).toMatchObject({ code: 'ok' });
  expect((await client.capture({ holdId: first, amountMicro: 40n })).code).toBe('ok');
  expect((await client.capture({ holdId: first, amountMicro: 41n })).code).toBe(
    'ledger/id-conflict',
  );
  expect(await client.voidHold({ holdId: second })).toMatchObject({ code: 'ok' });
  expect((await client.holdsOf({ gateway })).holds).toEqual([]);
  const { record } = await client.account(world.id('ann'), { ordered: true });
  expect(record).toMatchObject({ starterMicro: 960n, heldMicro: 0n });
});

test('[L10] f liars change nothing: what they show alone is not believed', async () => {
  const { client, network, grant, world } = setUp();
  network.port(2).lie = (reply) => {
    if (reply.type === 'executed') {
      const result = reply.result.with(40, reply.result[40]! ^ 3) as Uint8Array;
      const header = { ...reply.header, resultsRoot: bytes32('root') };
      return {
        ...reply,
        result,
        header,
        seals: [forgedSeals(header, KEYS_OF_EPOCH_0.slice(2, 3))],
      };
    }
    if (reply.type !== 'records') return reply;
    const header = { ...reply.header, sequence: 999 };
    return { ...reply, header, seals: [forgedSeals(header, KEYS_OF_EPOCH_0.slice(2, 3))] };
  };
  expect(await grant('ann')).toMatchObject({ sequence: 1, code: 'ok' });
  expect(await client.account(world.id('ann'))).toMatchObject({ sequence: 1 });
  network.port(3).isSilent = true;
  expect(await grant('bob')).toMatchObject({ sequence: 2, code: 'ok' });
});

test('[L10] a forged SEAL beside a good one does not spoil it', async () => {
  const { network, grant } = setUp();
  network.port(1).lie = (reply) =>
    reply.type === 'executed'
      ? {
          ...reply,
          seals: reply.seals.map((set) => ({
            ...set,
            seals: [0, 1, 2, 3].map((replica) => ({
              replica,
              signature: new Uint8Array(64).fill(7),
            })),
          })),
        }
      : reply;
  for (const index of [1, 2]) network.port(index).isSilent = index === 2;
  expect(await grant('ann')).toMatchObject({ sequence: 1, code: 'ok' });
});

test('[L10] SEALs that no key has signed count nothing', async () => {
  const { client, network, grant, world } = setUp();
  await grant('ann');
  network.port(2).lie = (reply) => {
    if (reply.type !== 'records') return reply;
    const header = { ...reply.header, sequence: 999 };
    const { seals, ...of } = forgedSeals(header, KEYS_OF_EPOCH_0);
    const forged = seals.map((each) => ({ ...each, signature: new Uint8Array(64).fill(7) }));
    return { ...reply, header, seals: [{ ...of, seals: forged }] };
  };
  expect(await client.account(world.id('ann'))).toMatchObject({ sequence: 1 });
  expect((await client.status()).sequence).toBe(1);
});

test('[L11] what nobody knows is no failure: to call again sends the same bytes', async () => {
  const { network, grant, cluster } = setUp();
  for (const port of network.ports) port.isMute = true;
  expect((await faultOf(grant('ann'))).code).toBe('ledger/outcome-unknown');
  for (const port of network.ports) port.isMute = false;
  // It was executed all the while: this is its result, and no second grant's.
  expect(await grant('ann')).toMatchObject({ sequence: 1, code: 'ok' });
  expect(cluster.replica(0).state.head.sequence).toBe(1);
  // What is known is over: the same asked for again is another transaction.
  expect(await grant('ann')).toMatchObject({ sequence: 2, code: 'ledger/id-conflict' });
});

test('[L11] a lost link is no refusal: the same bytes go out again', async () => {
  const { network, grant } = setUp({ timeoutMs: 3_000 });
  for (const port of network.ports) port.isSilent = true;
  const granted = grant('ann');
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const [index, port] of network.ports.entries()) {
    network.cut(index);
    Object.assign(port, { isCut: false, isSilent: false });
  }
  expect(await granted).toMatchObject({ sequence: 1, code: 'ok' });
});

test('[L11] what all refuse is refused at once, and what one may have is not', async () => {
  const { network, grant } = setUp({ timeoutMs: 900 });
  for (const port of network.ports) port.refuses = 'ledger/busy';
  const busy = await faultOf(grant('ann'));
  expect([busy.code, busy.details]).toEqual(['ledger/busy', { retryAfterMs: 20 }]);
  network.port(3).refuses = 'ledger/no-quorum';
  expect((await faultOf(grant('ann'))).code).toBe('ledger/no-quorum');
  Object.assign(network.port(3), { refuses: null, isSilent: true });
  expect((await faultOf(grant('ann'))).code).toBe('ledger/outcome-unknown');
  for (const index of network.ports.keys()) network.cut(index);
  expect((await faultOf(grant('ann'))).code).toBe('ledger/no-quorum');
});

test('[L11] an outcome is found by its id, and by the key’s nonces when its block is gone', async () => {
  const { client, cluster, grant } = setUp();
  await grant('ann');
  const [request] = cluster.replica(0).blocks.get(1)!.batch.requests;
  const read = readTransaction(request!, nodeSha256);
  if (isFault(read)) throw read;
  expect(await client.outcome(read.id)).toMatchObject({ sequence: 1, code: 'ok' });
  await grant('bob');
  for (const { blocks } of cluster.replicas) blocks.delete(1);
  expect(await client.outcome(read.id)).toMatchObject({ sequence: 1, code: 'ok' });
  // So many that the first lies in a page of its own.
  for (let i = 0; i < NONCES_RECENT_MAX; i += 1) await grant(`reader ${i}`);
  expect(await client.outcome(read.id)).toMatchObject({ sequence: 1, code: 'ok' });
  expect((await faultOf(client.outcome(bytes32('none')))).code).toBe('request/not-found');
});

test('[L12] reads never go behind what was seen', async () => {
  const { client, network, cluster, grant, world } = setUp();
  await grant('ann');
  expect((await client.account(world.id('ann'))).sequence).toBe(1);
  // Three replicas that say again what was true before.
  const before = cluster.replicas.map(({ state, blocks }) => ({ state, blocks: new Map(blocks) }));
  await grant('bob');
  const fresh = cluster.replicas.map(({ state }) => state);
  for (const index of [1, 2, 3]) cluster.replica(index).state = before[index]!.state;
  // One answers from block 2, and its SEALs are known from the grant.
  expect(await client.account(world.id('bob'))).toMatchObject({ sequence: 2 });
  network.cut(0);
  const read = client.account(world.id('carol'));
  expect((await faultOf(read)).code).toBe('ledger/stale');
  for (const index of [1, 2, 3]) cluster.replica(index).state = fresh[index]!;
  expect(await client.account(world.id('bob'))).toMatchObject({ sequence: 2 });
  expect((await faultOf(client.account(world.id('bob'), { minSequence: 3 }))).code).toBe(
    'ledger/stale',
  );
});

test('[L12] who is cut off reads what it read last, marked stale, and catches up', async () => {
  const { client, network, grant, world } = setUp();
  await grant('ann');
  await client.account(world.id('ann'));
  for (const index of network.ports.keys()) network.cut(index);
  expect(await client.account(world.id('ann'))).toMatchObject({ sequence: 1, isStale: true });
  expect((await faultOf(client.account(world.id('bob')))).code).toBe('ledger/no-quorum');
  for (const port of network.ports) port.isCut = false;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await client.account(world.id('bob'))).toMatchObject({ record: null, isStale: false });
  world.timeMs += 31_000n;
  expect((await client.account(world.id('bob'))).isStale).toBe(true);
});

test('[L13] blocks come in order, each once, whatever one replica sends', async () => {
  const { client, network, cluster, grant } = setUp();
  network.port(1).lie = (reply) =>
    reply.type === 'blocks'
      ? {
          ...reply,
          blocks: reply.blocks.map((block) => {
            const header = { ...block.header, timeMs: block.header.timeMs + 1 };
            return {
              ...block,
              header,
              seals: forgedSeals(header, KEYS_OF_EPOCH_0.slice(1, 2)).seals,
            };
          }),
        }
      : reply;
  await grant('a');
  const seen: FollowedBlock[] = [];
  const following = (async () => {
    for await (const block of client.subscribe({ fromSequence: 1 })) {
      seen.push(block);
      if (seen.length === 12) break;
    }
  })();
  for (let i = 0; i < 11; i += 1) await grant(`b${i}`);
  await following;
  expect(seen.map(({ header }) => header.sequence)).toEqual(
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  expect(seen.flatMap(({ entries }) => entries).every(({ outcome }) => outcome.code === 'ok')).toBe(
    true,
  );
  expect(cluster.replica(0).state.head.sequence).toBe(12);
});

test('[L13] a subscription ends with its client', async () => {
  const { client, grant } = setUp();
  await grant('ann');
  const seen: number[] = [];
  const following = (async () => {
    for await (const { header } of client.subscribe({ fromSequence: 1 }))
      seen.push(header.sequence);
  })();
  await new Promise((resolve) => setTimeout(resolve, 30));
  client.close();
  await following;
  expect(seen).toEqual([1]);
});

test('[L13] who is far behind is sent no more than it has room for, and misses nothing', async () => {
  const cluster = new LocalCluster();
  const { world } = cluster;
  for (let i = 0; i < 20; i += 1) cluster.submit(world.sign(world.grant(`p${i}`)));
  const { endpoints } = new MemoryNetwork(cluster);
  const connections = endpoints.map((endpoint) => new Connection(endpoint));
  const verify = serverVerifier();
  const genesis = writeGenesis(world.genesis);
  const knowledge = new Knowledge({ genesis, verify, sha256: nodeSha256, store: null });
  const seen: number[] = [];
  const following = new Following(1, { connections, knowledge }, 4);
  for await (const { header } of following.blocks()) {
    seen.push(header.sequence);
    expect(following.waiting).toBeLessThanOrEqual(4);
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (seen.length === 20) break;
  }
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  for (const each of connections) each.close();
});

test('[L2] the client follows epochs, and keeps its place in a store', async () => {
  let image: Uint8Array | null = null;
  const store = {
    load: () => Promise.resolve(image),
    save: (bytes: Uint8Array) => {
      image = bytes;
      return Promise.resolve();
    },
  };
  const { client, cluster, network, grant, world } = setUp({ store });
  await grant('ann');
  cluster.rotate(1, 'new vote 1');
  cluster.rotate(2, 'new vote 2');
  expect((await grant('bob')).certificate.certified.header.epoch).toBe(2);
  const read = await client.account(world.id('bob'));
  expect(read.certificate.weight).toBe('header');
  expect((await client.status()).epoch).toBe(2);
  // Another client with the store knows how far it was, before anybody tells it.
  const again = gatewayClient(network, { store });
  opened.push(again);
  expect((await again.account(world.id('ann'))).sequence).toBeGreaterThanOrEqual(read.sequence);
  expect((await again.status()).sequence).toBe(read.sequence);
});

test('[L7] the client stops at two certificates that conflict, and has the evidence', async () => {
  const { client, network, grant, world } = setUp();
  await grant('ann');
  await client.account(world.id('ann'));
  network.port(1).lie = (reply) => {
    if (reply.type !== 'records') return reply;
    const header = { ...reply.header, timeMs: reply.header.timeMs + 1 };
    return { ...reply, header, seals: [forgedSeals(header, KEYS_OF_EPOCH_0)] };
  };
  const fault = await faultOf(client.account(world.id('ann')));
  expect(fault.code).toBe('ledger/conflicting-certificates');
  expect((await client.status()).evidence).not.toBeNull();
  expect((await faultOf(grant('bob'))).code).toBe('ledger/conflicting-certificates');
});
