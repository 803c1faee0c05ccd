import { afterEach, expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { LedgerClient } from '#lib/ledger/client/client.ts';
import { Connection } from '#lib/ledger/client/connection.ts';
import { Knowledge } from '#lib/ledger/client/knowledge.ts';
import { CLIENT_TIMES } from '#lib/ledger/client/limits.ts';
import { submitToAll } from '#lib/ledger/client/submitting.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import type { Lie } from '#tests/support/ledger/client-port.ts';
import { gatewayClient } from '#tests/support/ledger/gateway-client.ts';
import { clientOf, faultOf, pinAt } from '#tests/support/ledger/light-clients.ts';
import { lyingLedger } from '#tests/support/ledger/lies.ts';
import { MemoryNetwork } from '#tests/support/ledger/memory-network.ts';

const opened: LedgerClient[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.close();
});

/** A light client that knows one gateway, which asks four replicas of two epochs ago and now. */
function setUp() {
  const { cluster, ofAnn, ofNobody } = lyingLedger();
  const network = new MemoryNetwork(cluster);
  const { world } = cluster;
  const gateway = gatewayClient(network);
  opened.push(gateway);
  const light = () =>
    clientOf(cluster, {
      sources: [{ name: 'gateway', ask: (question) => gateway.serve(question) }],
      pin: pinAt(cluster, 1),
    });
  return { cluster, network, world, gateway, light, ofAnn, ofNobody };
}

test('[L16] who knows one gateway sees records, outcomes and blocks over epochs', async () => {
  const { cluster, light, world } = setUp();
  const client = light();
  expect(await client.accountOf(world.key('ann'))).toMatchObject({
    ...{ value: { starterMicro: 1_000n }, head: { epoch: 3 } },
  });
  expect((await client.accountOf(world.key('nobody'))).value).toBeNull();
  const newest = cluster.replica(0).state.head.header.sequence;
  const entries = await client.block(newest - 1);
  const { id } = entries.value[0]!.outcome;
  expect((await client.outcome(id)).value.sequence).toBe(newest - 1);
});

test('[L16] no lie of one replica in four reaches who asks, and a dead one is not waited for', async () => {
  const { network, light, ofAnn, ofNobody, world } = setUp();
  // Keys of a whole quorum have leaked: no lie of f replicas.
  const lies = [...ofAnn, ...ofNobody].filter(
    ({ code }) => code !== 'ledger/conflicting-certificates',
  );
  expect(lies).toHaveLength(18);
  const everyLie: Lie = (reply, question) =>
    reply.type === 'blocks'
      ? { ...reply, blocks: reply.blocks.map((block) => ({ ...block, batch: new Uint8Array(4) })) }
      : reply.type === 'history'
        ? { type: 'history', path: reply.path.map((hash) => hash.slice().reverse()) }
        : reply.type === 'status'
          ? { ...reply, chain: new Uint8Array(32) }
          : (lies[0]?.lie(reply, question) ?? reply);
  for (const { name, lie } of [...lies, { name: 'in all else', lie: everyLie }]) {
    // The first is asked first where one is asked after the other.
    network.port(0).lie = lie;
    const client = light();
    const ann = await client.accountOf(world.key('ann'));
    expect([name, ann.value?.starterMicro]).toEqual([name, 1_000n]);
    expect([name, (await client.accountOf(world.key('nobody'))).value]).toEqual([name, null]);
    expect([name, (await client.block(2)).value.length]).toEqual([name, 1]);
  }
  network.port(0).lie = (reply) => reply;
  network.cut(0);
  expect((await light().accountOf(world.key('ann'))).value?.starterMicro).toBe(1_000n);
});

test('[L16] what is to be ordered goes to all, and comes back with its place', async () => {
  const { gateway, light, world } = setUp();
  const transaction = world.sign(world.grant('new'));
  const reply = await gateway.serve({ type: 'submit', transaction });
  expect(reply.type).toBe('executed');
  const read = readTransaction(transaction, nodeSha256);
  if (isFault(read)) throw read;
  const outcome = await gateway.serve({ type: 'outcome', id: read.id });
  expect(outcome).toMatchObject({ type: 'executed' });
  expect((await light().accountOf(world.key('new'))).value?.starterMicro).toBe(1_000n);
});

test('[L16] what nobody can show is refused by code', async () => {
  const { cluster, network, gateway, light } = setUp();
  const { sequence } = cluster.replica(0).state.head.header;
  const codeOf = async (question: Parameters<LedgerClient['serve']>[0]) => {
    const reply = await gateway.serve(question);
    return reply.type === 'refused' ? reply.code : reply.type;
  };
  expect(await codeOf({ type: 'outcome', id: new Uint8Array(32) })).toBe('request/not-found');
  expect(await codeOf({ type: 'submit', transaction: new Uint8Array(9) })).toBe('wire/malformed');
  expect(await codeOf({ type: 'subscribe', from: 1 })).toBe('wire/malformed');
  expect(await codeOf({ type: 'blocks', from: sequence + 5, count: 1 })).toBe('ledger/stale');
  const ahead = { type: 'read', at: 'newest', minSequence: sequence + 5, keys: [] } as const;
  expect(await codeOf(ahead)).toBe('ledger/stale');
  const status = await gateway.serve({ type: 'status' });
  expect(status.type === 'status' && toHex(status.chain)).toBe(toHex(gateway.chain));
  network.cut(0);
  network.cut(1);
  network.cut(2);
  expect((await faultOf(light().sync())).code).toBe('ledger/no-quorum');
});

test('[L16] who names an epoch and does not show it is not waited for', async () => {
  const { network, gateway } = setUp();
  const port = network.port(0);
  port.lie = (reply, question) => {
    if (question.type !== 'read' || reply.type !== 'records') return reply;
    // What shows the epoch is never told.
    port.isSilent = true;
    return { ...reply, header: { ...reply.header, epoch: reply.header.epoch + 1 } };
  };
  const read = { type: 'read', at: 'newest', minSequence: 0, keys: [] } as const;
  const startedAt = performance.now();
  const replies = await Promise.all([1, 2, 3].map(() => gateway.serve(read)));
  expect(replies.map(({ type }) => type)).toEqual(['records', 'records', 'records']);
  expect(performance.now() - startedAt).toBeLessThan(CLIENT_TIMES.answerMs / 2);
});

test('[L16] blocks come from another where one keeps us waiting', async () => {
  const { network, gateway } = setUp();
  network.port(0).isSilent = true;
  const startedAt = performance.now();
  expect(await gateway.serve({ type: 'blocks', from: 2, count: 1 })).toMatchObject({
    ...{ type: 'blocks', blocks: [{ header: { sequence: 2 } }] },
  });
  expect(performance.now() - startedAt).toBeLessThan(CLIENT_TIMES.answerMs / 2);
  // Not all of them at once: they are long.
  expect(network.ports.map(({ asked }) => asked.includes('blocks'))).toEqual([
    ...[true, true, false, false],
  ]);
});

test('[L16] of a request that is over nothing waits for a replica that is away, or silent', async () => {
  const { network, world } = setUp();
  // Not the primary.
  network.cut(3);
  network.port(2).isSilent = true;
  const connections = network.endpoints.map((each) => new Connection(each));
  const genesis = writeGenesis(world.genesis);
  const knowledge = new Knowledge({
    ...{ genesis, verify: serverVerifier(), sha256: nodeSha256, store: null },
  });
  const transaction = world.sign(world.grant('new'));
  const read = readTransaction(transaction, nodeSha256);
  if (isFault(read)) throw read;
  const sending = { connections, knowledge, timeoutMs: 4_000 };
  expect(await submitToAll({ id: read.id, transaction }, sending)).toMatchObject({ code: 'ok' });
  expect(connections.map(({ waiting }) => waiting)).toEqual([0, 0, 0, 0]);
  for (const each of connections) each.close();
});
