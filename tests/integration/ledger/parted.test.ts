import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { loadConfig } from '#server/replica/config.ts';
import { startReplica, type RunningReplica } from '#server/replica/replica.ts';
import { Endpoints, acknowledged } from '#tests/support/ledger/acknowledged.ts';
import { ChaosProxy } from '#tests/support/ledger/chaos-proxy.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { PortClient } from '#tests/support/ledger/port-client.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

let network: LocalNetwork;
let endpoints: Endpoints;
let proxies: ChaosProxy[];
let replicas: RunningReplica[];
/** The one with the highest id: the others dial it, so its proxy carries all that it hears and says. */
let parted = 0;

beforeAll(async () => {
  network = await localNetwork(4, { checkpointInterval: 8n, logWindow: 32n }, { isProxied: true });
  proxies = await Promise.all(
    network.hosts.map(({ address, replicas: { port } }) =>
      ChaosProxy.between(must(address, 'an address').port, port),
    ),
  );
  replicas = await Promise.all(
    network.configs.map(async (config) =>
      startReplica(await loadConfig(config), {
        failed: (fault) => {
          throw fault;
        },
        rotated: () => undefined,
      }),
    ),
  );
  const ids = network.genesis.replicas.map(({ operatorKey }) => toHex(operatorKey));
  parted = ids.indexOf([...ids].sort().at(-1) ?? '');
  endpoints = new Endpoints(network.hosts.map(({ clients }) => clients.port));
  await vi.waitFor(() => {
    for (const replica of replicas) expect(replica.health().peersHeard).toBe(3);
  }, 10_000);
});
afterAll(async () => {
  endpoints.close();
  await Promise.all(replicas.map((replica) => replica.close()));
  for (const proxy of proxies) proxy.close();
  await network.remove();
});

let nonce = 0n;
function grant(): Uint8Array {
  nonce += 1n;
  return signTransaction(
    {
      chain: network.chain,
      nonce,
      validUntilMs: BigInt(Date.now()) + 60_000n,
      body: {
        type: 'grant',
        publicKey: signerOf(`account ${nonce}`).publicKey,
        amountMicro: 100n,
        expiresAtMs: BigInt(Date.now()) + 86_400_000n,
      },
    },
    signerOf('gateway'),
  );
}

test('[X7] half open: the three go on, the one refuses at once, reads old, and catches up', async () => {
  await acknowledged(endpoints, grant(), 4);
  const proxy = proxies[parted]!;
  proxy.chaos = { kind: 'swallow' };
  const before = replicas[parted]!.health().executed;
  for (let i = 0; i < 20; i += 1) {
    expect(await acknowledged(endpoints, grant(), 3)).toMatchObject({ code: 0 });
  }
  const client = must(await PortClient.connect(replicas[parted]!.ports.clients), 'a client');
  await vi.waitFor(() => expect(replicas[parted]!.health().hasQuorum).toBe(false), {
    timeout: 10_000,
  });
  const refusal = await client.ask({ type: 'submit', transaction: grant() });
  expect(refusal).toMatchObject({ type: 'refused', code: 'ledger/no-quorum' });
  // What it reads is old, and its header says so; who needs newer says from which block on.
  const old = await client.ask({ type: 'read', at: 'newest', minSequence: 0, keys: [] });
  if (old?.type !== 'records') throw new Error('no records');
  expect(old.header.sequence).toBeLessThanOrEqual(before + 8);
  const minSequence = Math.max(...replicas.map((replica) => replica.health().executed));
  expect(await client.ask({ type: 'read', at: 'newest', minSequence, keys: [] })).toMatchObject({
    type: 'refused',
    code: 'ledger/stale',
  });
  client.close();

  proxy.chaos = { kind: 'delay', ms: 30 };
  proxy.cut();
  // Where it gave the view up meanwhile, alone, the COMMITs of the others prove to it what they did.
  const caughtUp = (): boolean => replicas[parted]!.health().executed >= minSequence;
  await vi.waitFor(() => expect(caughtUp()).toBe(true), { timeout: 10_000 });
  // And it keeps up with them, over a checkpoint, in a view that is not theirs: all four answer.
  for (let i = 0; i < 10; i += 1) {
    expect(await acknowledged(endpoints, grant(), 4)).toMatchObject({ code: 0 });
  }
}, 60_000);
