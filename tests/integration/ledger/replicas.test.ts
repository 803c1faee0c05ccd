import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { verifyInclusion, leafHash } from '#lib/ledger/crypto/merkle.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import type { Body } from '#lib/ledger/account/codec/bodies.ts';
import { recordKey } from '#lib/ledger/account/records/kinds.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import { loadConfig } from '#server/replica/config.ts';
import { startReplica, type RunningReplica } from '#server/replica/replica.ts';
import { health, localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { PortClient } from '#tests/support/ledger/port-client.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

let network: LocalNetwork;
const replicas: RunningReplica[] = [];
const clients: PortClient[] = [];

const listener = {
  failed: (fault: Error): void => {
    throw fault;
  },
  rotated: (): void => undefined,
};

beforeAll(async () => {
  network = await localNetwork(4, { checkpointInterval: 8n, logWindow: 32n });
  for (const config of network.configs)
    replicas.push(await startReplica(await loadConfig(config), listener));
  for (const host of network.hosts)
    clients.push(must(await PortClient.connect(host.clients.port), 'a client'));
});

afterAll(async () => {
  for (const client of clients) client.close();
  await Promise.all(replicas.map((replica) => replica.close()));
  await network.remove();
});

let nonce = 0n;
function transaction(by: string, body: Body): Uint8Array {
  nonce += 1n;
  const validUntilMs = BigInt(Date.now()) + 60_000n;
  return signTransaction({ chain: network.chain, nonce, validUntilMs, body }, signerOf(by));
}

const grant = (name: string, amountMicro = 1_000n): Uint8Array =>
  transaction('gateway', {
    type: 'grant',
    publicKey: signerOf(name).publicKey,
    amountMicro,
    expiresAtMs: BigInt(Date.now()) + 86_400_000n,
  });

test('[X1] four replicas order a transaction; its result hangs on a header that all sealed alike', async () => {
  await vi.waitFor(() => {
    for (const replica of replicas)
      expect(replica.health()).toMatchObject({ votes: true, peersHeard: 3 });
  }, 10_000);
  const bytes = grant('anna');
  const answers = await Promise.all(
    clients.map((client) => client.ask({ type: 'submit', transaction: bytes })),
  );
  const hashes = new Set<string>();
  for (const answer of answers) {
    if (answer?.type !== 'executed') throw new Error(`not executed: ${JSON.stringify(answer)}`);
    const { header, result, index, count, path, seals } = answer;
    const leaf = leafHash(result, nodeSha256);
    const root = header.resultsRoot;
    expect(verifyInclusion({ leaf, index, size: count, path, root }, nodeSha256)).toBe(true);
    expect(result.at(-1)).toBe(0);
    const hash = headerHash(header, nodeSha256);
    hashes.add(Buffer.from(hash).toString('hex'));
    expect(seals.some((set) => Buffer.from(set.headerHash).equals(hash))).toBe(true);
  }
  expect(hashes.size).toBe(1);
});

test('[X2] who asks again has the same answer, from the disk too; who reads has a proof', async () => {
  const bytes = grant('bert');
  const [first] = clients as [PortClient, ...PortClient[]];
  const answer = must(await first.ask({ type: 'submit', transaction: bytes }), 'an answer');
  if (answer.type !== 'executed') throw new Error('not executed');
  const again = await first.ask({ type: 'submit', transaction: bytes });
  expect(again).toMatchObject({ type: 'executed', result: answer.result });
  const outcome = await first.ask({ type: 'outcome', id: answer.result.slice(0, 32) });
  expect(outcome).toMatchObject({ type: 'executed', result: answer.result });
  const id = accountId(signerOf('bert').publicKey, nodeSha256);
  const records = await first.ask({
    ...{ type: 'read', at: 'newest', minSequence: answer.header.sequence },
    keys: [recordKey('account', id, nodeSha256), new Uint8Array(32)],
  });
  if (records?.type !== 'records') throw new Error('no records');
  expect(records.records.map(({ value }) => value === null)).toEqual([false, true]);
});

test('[X3] blocks, one by one and to who subscribed; a checkpoint with all its SEALs', async () => {
  const [first, second] = clients as [PortClient, PortClient];
  const seen: number[] = [];
  second.subscribe(1, (answer) => {
    if (answer.type === 'blocks') seen.push(...answer.blocks.map(({ header }) => header.sequence));
  });
  for (let i = 0; i < 12; i += 1) await first.ask({ type: 'submit', transaction: grant(`p${i}`) });
  await expect.poll(() => seen.length).toBeGreaterThanOrEqual(12);
  expect(seen).toEqual(seen.map((_, i) => i + 1));
  const blocks = await vi.waitFor(async () => {
    const answer = await first.ask({ type: 'blocks', from: 8, count: 1 });
    if (answer?.type !== 'blocks') throw new Error('no blocks');
    expect(answer.blocks[0]?.seals.length).toBeGreaterThanOrEqual(3);
    return answer.blocks;
  }, 10_000);
  expect(blocks).toMatchObject([{ header: { sequence: 8 } }]);
  const status = await first.ask({ type: 'status' });
  expect(status).toMatchObject({ type: 'status', peers: 3, firstBlock: 1, epoch: 0 });
});

test('[B11] an old header is proven under a later one', async () => {
  const [first] = clients as [PortClient, ...PortClient[]];
  const answer = await first.ask({ type: 'blocks', from: 1, count: 20 });
  if (answer?.type !== 'blocks') throw new Error('no blocks');
  // Without the last ones, whose place in the tree may be on its way to the disk.
  const headers = answer.blocks.map(({ header }) => header).slice(0, -2);
  const last = must(headers.at(-1), 'a header');
  for (const header of headers.slice(0, -1)) {
    const { sequence } = header;
    const proof = await first.ask({ type: 'history', sequence, of: last.sequence });
    if (proof?.type !== 'history') throw new Error(`no path: ${JSON.stringify(proof)}`);
    const leaf = leafHash(headerHash(header, nodeSha256), nodeSha256);
    const of = { leaf, index: sequence, size: last.sequence, path: proof.path };
    expect(verifyInclusion({ ...of, root: last.historyRoot }, nodeSha256)).toBe(true);
  }
  const beyond = await first.ask({ type: 'history', sequence: 1, of: 1_000_000 });
  expect(beyond).toMatchObject({ type: 'refused', code: 'request/not-found' });
});

test('[X13] a key acts as often as a person would, a gateway for all of its own', async () => {
  const [first] = clients as [PortClient, ...PortClient[]];
  expect(await first.ask({ type: 'submit', transaction: grant('carl') })).toMatchObject({
    type: 'executed',
  });
  const account = accountId(signerOf('carl').publicKey, nodeSha256);
  const submitted = (bytes: Uint8Array) => first.ask({ type: 'submit', transaction: bytes });
  const burns = await Promise.all(
    Array.from({ length: 200 }, () =>
      submitted(transaction('carl', { type: 'burn', account, amountMicro: 1n })),
    ),
  );
  const refused = burns.filter((answer) => answer?.type === 'refused');
  expect(refused.length).toBeGreaterThan(0);
  for (const answer of refused) {
    expect(answer).toMatchObject({ code: 'ledger/busy' });
    expect(answer.retryAfterMs).toBeGreaterThan(0);
  }
  expect(burns.length - refused.length).toBeGreaterThanOrEqual(100);
  const grants = await Promise.all(
    Array.from({ length: 150 }, (_, i) => submitted(grant(`q${i}`))),
  );
  expect(grants.filter((answer) => answer?.type !== 'executed')).toEqual([]);
});

test('[X13] who has not the key uses up nothing of it', async () => {
  const [first] = clients as [PortClient, ...PortClient[]];
  await first.ask({ type: 'submit', transaction: grant('dora') });
  const account = accountId(signerOf('dora').publicKey, nodeSha256);
  const burn = () => transaction('dora', { type: 'burn', account, amountMicro: 1n });
  for (let i = 0; i < 120; i += 1) {
    const forged = burn();
    forged[forged.length - 1]! ^= 1;
    const answer = await first.ask({ type: 'submit', transaction: forged });
    expect(answer).toMatchObject({ type: 'refused', code: 'wire/malformed' });
  }
  const all = await Promise.all(
    Array.from({ length: 60 }, () => first.ask({ type: 'submit', transaction: burn() })),
  );
  expect(all.filter((answer) => answer?.type !== 'executed')).toEqual([]);
}, 20_000);

test('[X4] an operator sees it', async () => {
  const host = must(network.hosts[0], 'a host');
  expect(await health(host)).toMatchObject({
    ok: true,
    votes: true,
    hasQuorum: true,
    amnesia: null,
  });
  const text = await (await fetch(`http://127.0.0.1:${host.operator.port}/metrics`)).text();
  expect(text).toMatch(/declai_ledger_phase_seconds_count\{phase="commit"\} [1-9]/);
  expect(text).toMatch(/declai_ledger_peer_clock_offset_seconds\{peer="[0-9a-f]{64}"\} -?0/);
});
