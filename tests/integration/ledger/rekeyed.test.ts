import { readFile, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { fromHex, utf8 } from '#lib/kernel/bytes.ts';
import type { Body, Change } from '#lib/ledger/account/codec/bodies.ts';
import { approvalBytes, signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { nodeSigner } from '#lib/ledger/crypto/server.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { loadConfig } from '#server/replica/config.ts';
import { freePortRuns } from '#server/replica/free-ports.ts';
import { prepareNewcomer, type Addition } from '#server/replica/newcomer.ts';
import {
  adoptNextKeys,
  nextKeysFile,
  prepareRotation,
  type Rotation,
} from '#server/replica/rekey.ts';
import { startReplica, type RunningReplica } from '#server/replica/replica.ts';
import { Endpoints, acknowledged } from '#tests/support/ledger/acknowledged.ts';
import {
  localNetwork,
  operatorSeed,
  type LocalNetwork,
} from '#tests/support/ledger/local-network.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

/** The replica that loses its log. */
const LOSER = 3;

let network: LocalNetwork;
let endpoints: Endpoints;
let operators: Signer[];
const replicas: RunningReplica[] = [];
let configs: string[];
let rotations = 0;

async function start(index: number): Promise<void> {
  replicas[index] = await startReplica(await loadConfig(configs[index]!), {
    failed: (fault) => {
      throw fault;
    },
    rotated: () => (rotations += index === LOSER ? 1 : 100),
  });
}

beforeAll(async () => {
  network = await localNetwork(4, { checkpointInterval: 8n, logWindow: 32n, window: 4n });
  configs = [...network.configs];
  for (const index of configs.keys()) await start(index);
  endpoints = new Endpoints(network.hosts.map(({ clients }) => clients.port));
  const seeds = await Promise.all(network.operatorFiles.map(operatorSeed));
  operators = seeds.map((seed) => nodeSigner(must(fromHex(seed), 'a seed')));
});
afterAll(async () => {
  endpoints.close();
  await Promise.all(replicas.map((replica) => replica.close()));
  await network.remove();
});

let nonce = 0n;
function signed(signer: Signer, body: Body): Uint8Array {
  nonce += 1n;
  const validUntilMs = BigInt(Date.now()) + 60_000n;
  return signTransaction({ chain: network.chain, nonce, validUntilMs, body }, signer);
}

const grant = (name: string): Uint8Array =>
  signed(signerOf('gateway'), {
    type: 'grant',
    publicKey: signerOf(name).publicKey,
    amountMicro: 100n,
    expiresAtMs: BigInt(Date.now()) + 86_400_000n,
  });

/** Approved by three operators of four, sent by one of them. */
function approved(change: Change): Uint8Array {
  const message = approvalBytes(network.chain, change);
  const approvals = operators
    .slice(0, 3)
    .map((signer) => ({ operatorKey: signer.publicKey, signature: signer.sign(message) }))
    .sort((a, b) => compareBytes(a.operatorKey, b.operatorKey));
  return signed(operators[0]!, { ...change, approvals });
}

const bytesOf = (hex: string): Uint8Array => must(fromHex(hex), 'hex');

const inBytes = (of: Rotation | Addition) => ({
  epoch: BigInt(of.epoch),
  operatorKey: bytesOf(of.operatorKey),
  voteKey: bytesOf(of.voteKey),
  transportKey: bytesOf(of.transportKey),
  possession: bytesOf(of.possession),
  approvals: [{ operatorKey: new Uint8Array(32), signature: new Uint8Array(64) }],
});

test('[X10] a replica that lost its log follows, is re-keyed while the others go on, and votes again', async () => {
  for (let i = 0; i < 10; i += 1) await acknowledged(endpoints, grant(`before ${i}`));
  // Three answer for four: it has a log to lose once it executed these, too.
  await expect.poll(() => replicas[LOSER]!.health().executed).toBeGreaterThanOrEqual(8);
  const data = join(network.folders[LOSER]!, 'data');
  await replicas[LOSER]!.close();
  const log = must(
    (await readdir(data)).find((name) => name.startsWith('wal-')),
    'a log',
  );
  const oldKeys = await readFile(join(network.folders[LOSER]!, 'keys.json'), 'utf8');
  await truncate(join(data, log, 'wal.00000001'), 1_000);
  await start(LOSER);
  const follower = (): ReturnType<RunningReplica['health']> => replicas[LOSER]!.health();
  expect(follower()).toMatchObject({ votes: false });
  expect(follower().amnesia).toMatch(/its head says/);

  for (let i = 0; i < 10; i += 1) await acknowledged(endpoints, grant(`without ${i}`));
  const config = configs[LOSER]!;
  const first = await prepareRotation(config, 7);
  const rotation = await prepareRotation(config, 0);
  // Another epoch is another promise of the same key.
  expect(rotation.voteKey).toBe(first.voteKey);
  expect(rotation.possession).not.toBe(first.possession);

  // While it runs: it looks for its new key when the ledger names it.
  const change = approved({ type: rotation.type, ...inBytes(rotation) });
  expect(await acknowledged(endpoints, change)).toMatchObject({ code: 0 });
  await vi.waitFor(() => expect(rotations).toBe(1), { timeout: 10_000 });

  const { keysFile } = await loadConfig(config);
  await replicas[LOSER]!.close();
  await adoptNextKeys(keysFile);
  await start(LOSER);
  await expect(readFile(nextKeysFile(keysFile))).rejects.toThrow(/ENOENT/);
  expect(await readFile(keysFile, 'utf8')).not.toBe(oldKeys);
  expect(follower()).toMatchObject({ votes: true, amnesia: null, epoch: 1 });

  // With another one gone nothing commits without its votes.
  await replicas[1]!.close();
  for (let i = 0; i < 3; i += 1) await acknowledged(endpoints, grant(`after ${i}`));
  await start(1);
}, 80_000);

test('[X15] one more replica, begun from the genesis file alone, takes part when it is named', async () => {
  const [port] = await freePortRuns(1, 3);
  const folder = join(network.folder, 'replica-4');
  const of = {
    ...{ genesisFile: network.genesisFile, folder, epoch: 1, isLost: false },
    at: { host: '127.0.0.1', port: must(port, 'a port') },
    operatorKey: Uint8Array.from(signerOf('fifth operator').publicKey),
  };
  const addition = await prepareNewcomer(of);
  if (addition.type !== 'add-replica') throw new Error('it is to be added');
  configs.push(join(folder, 'replica.json'));
  await start(4);
  expect(replicas[4]!.health()).toMatchObject({ votes: false, amnesia: null, epoch: 0 });
  const { type, address } = addition;
  const change = approved({ type, ...inBytes(addition), address: utf8(address) });
  expect(await acknowledged(endpoints, change)).toMatchObject({ code: 0 });
  await vi.waitFor(
    () => expect(replicas[4]!.health()).toMatchObject({ votes: true, epoch: 2, peersHeard: 4 }),
    20_000,
  );
}, 40_000);
