import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runLedger } from '#server/ledger/run.ts';
import { loadConfig } from '#server/replica/config.ts';
import { startReplica, type RunningReplica } from '#server/replica/replica.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { bytes32 } from '#tests/support/ledger/world.ts';
import { evidenceOfFork } from '#tests/support/ledger/fork.ts';

let folder: string;
let network: LocalNetwork;
const replicas: RunningReplica[] = [];

const listener = {
  failed: (fault: Error): void => {
    throw fault;
  },
  rotated: (): void => undefined,
};
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-ledger-cli-'));
  network = await localNetwork(4, { checkpointInterval: 8n, logWindow: 32n });
  for (const config of network.configs) {
    replicas.push(await startReplica(await loadConfig(config), listener));
  }
  await vi.waitFor(() => {
    for (const replica of replicas) expect(replica.health()).toMatchObject({ peersHeard: 3 });
  }, 10_000);
  // The gateway that the network's genesis names.
  const seed = Buffer.from(bytes32('seed of gateway')).toString('hex');
  await writeFile(file('gateway.json'), JSON.stringify({ seed }), { mode: 0o600 });
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.close()));
  await network.remove();
  await rm(folder, { recursive: true, force: true });
});

/** A command against the running replicas: its JSON, with the exit code. */
async function ledger(...argv: readonly string[]): Promise<Record<string, unknown>> {
  const clients = network.hosts.map(({ clients: { port } }) => `127.0.0.1:${port}`).join(',');
  const at = ['--genesis', network.genesisFile, '--replicas', clients];
  const { json, exitCode } = await runLedger([...argv, ...at, '--json']);
  return { ...(json as Record<string, unknown>), exitCode };
}

test('[Y1] from a new key to its credit, held, captured and read back with proofs', async () => {
  const ann = await ledger('keygen', '--out', file('ann.json'));
  const gateway = await ledger('keygen', '--out', file('other.json'));
  expect(ann['publicKey']).toMatch(/^[0-9a-f]{64}$/);
  const [key, signed] = [
    ['--key', file('ann.json')],
    ['--key', file('gateway.json')],
  ];
  expect(await ledger('balance', ...key)).toMatchObject({ exitCode: 0, exists: false });
  const granted = await ledger('grant', String(ann['publicKey']), '500000', ...signed);
  expect(granted).toMatchObject({ exitCode: 0, code: 'ok' });
  const { gateways } = network.genesis;
  const own = Buffer.from(gateways[0]!.publicKey).toString('hex');
  const held = await ledger('hold', '1500', '--gateway', own, ...key);
  expect(held).toMatchObject({ exitCode: 0, code: 'ok' });
  // Again under the printed id is the same hold.
  const id = String(held['id']);
  expect(await ledger('capture', id, '1000', ...signed)).toMatchObject({ exitCode: 0, code: 'ok' });
  // What had no effect says why.
  const closed = await ledger('void', id, ...signed);
  expect(closed).toMatchObject({ exitCode: 1, code: 'ledger/hold-closed' });
  expect(closed['message']).toMatch(/before/);
  expect(await ledger('balance', String(ann['account']))).toMatchObject({
    ...{ exitCode: 0, exists: true, isStale: false },
    record: { starterMicro: '499000', heldMicro: '0' },
  });
  const { entries } = (await ledger('history', ...key)) as {
    entries?: { body: { type: string } }[];
  };
  expect(entries?.map(({ body }) => body.type)).toEqual(['grant', 'hold', 'capture', 'void']);
  // Not a gateway: refused with a code.
  const refused = await ledger(
    'grant',
    String(gateway['publicKey']),
    '5',
    '--key',
    file('other.json'),
  );
  expect(refused).toMatchObject({ exitCode: 1, error: { code: 'ledger/not-authorised' } });
});

test('[Y3] a hold is repeated under its id, and is one', async () => {
  const own = Buffer.from(network.genesis.gateways[0]!.publicKey).toString('hex');
  const ask = ['hold', '700', '--gateway', own, '--key', file('ann.json')];
  const first = await ledger(...ask);
  expect(first).toMatchObject({ exitCode: 0, code: 'ok' });
  const again = ['--id', String(first['id'])];
  expect(await ledger(...ask, ...again)).toMatchObject({ code: 'ok', sequence: first['sequence'] });
  // Another end is another request for the same id.
  expect(await ledger(...ask, ...again, '--for', '2h')).toMatchObject({
    code: 'ledger/id-conflict',
  });
  expect(await ledger('balance', '--key', file('ann.json'))).toMatchObject({
    record: { heldMicro: '700', openHolds: 1 },
  });
});

test('[Y1] blocks become a transcript that anybody verifies, from a file or a URL', async () => {
  const written = await ledger('blocks', '--out', file('chain.transcript'));
  expect(written).toMatchObject({ exitCode: 0, epoch: 0 });
  const listed = (await ledger('blocks', '--count', '3')) as { blocks?: unknown[]; head?: number };
  expect(listed.blocks).toHaveLength(3);
  expect(listed).toMatchObject({ from: 1, last: 3, head: written['blocks'] });
  expect(await ledger('members')).toMatchObject({ exitCode: 0, epoch: 0 });
  const bytes = await readFile(file('chain.transcript'));
  const server = createServer((_, response) => response.end(bytes));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/chain`;
  for (const from of [file('chain.transcript'), url]) {
    expect(await ledger('verify', '--from', from)).toMatchObject({
      ...{ exitCode: 0, verified: true, blocks: written['blocks'] },
    });
  }
  server.close();
  bytes[bytes.length - 70]! ^= 1;
  await writeFile(file('changed'), bytes);
  const changed = await ledger('verify', '--from', file('changed'));
  expect(changed).toMatchObject({ exitCode: 1, error: { code: 'ledger/unproven' } });
});

test('[Y6] a change goes from operator to operator, and takes effect with a quorum of them', async () => {
  const { epoch } = await ledger('members');
  const { parameters } = network.genesis;
  const change = { type: 'set-parameters', epoch, ...parameters, burnPpm: 20_000n };
  const text = JSON.stringify(change, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  await writeFile(file('change.json'), text);
  const operators = network.operatorFiles.map((each) => ['--key', each]);
  const submit = () => ledger('submit', file('change.json'), ...operators[0]!);
  for (const [i, key] of operators.slice(0, 3).entries()) {
    if (i === 2) {
      expect(await submit()).toMatchObject({ exitCode: 1, code: 'ledger/not-authorised' });
    }
    const given = await ledger('approve', file('change.json'), ...key);
    expect(given).toMatchObject({ exitCode: 0, approvals: i + 1 });
  }
  // The same operator twice is one.
  expect(await ledger('approve', file('change.json'), ...operators[1]!)).toMatchObject({
    approvals: 3,
  });
  expect(await submit()).toMatchObject({ exitCode: 0, code: 'ok' });
  await vi.waitFor(async () => {
    expect(await ledger('members')).toMatchObject({ epoch: 1, parameters: { burnPpm: '20000' } });
  }, 10_000);
  // Who begins with the genesis only follows over the epoch's end.
  const { publicKey } = await ledger('keygen', '--out', file('late.json'));
  const granted = await ledger('grant', String(publicKey), '5', '--key', file('gateway.json'));
  expect(granted).toMatchObject({ code: 'ok' });
  await writeFile(file('change.json'), '{"type":"set-parameters","epoch":1}');
  expect(await ledger('approve', file('change.json'), ...operators[0]!)).toMatchObject({
    exitCode: 2,
  });
});

test('[Y2] what is wrong has a code and an exit of its own', async () => {
  expect(await runLedger(['--help'])).toMatchObject({ exitCode: 0 });
  expect(await runLedger(['frob'])).toMatchObject({
    exitCode: 2,
    json: { error: { code: 'request/invalid' } },
  });
  expect(await ledger('balance', 'abc')).toMatchObject({ exitCode: 2 });
  expect(await ledger('void', '0'.repeat(32))).toMatchObject({ exitCode: 2 });
  const lost = await runLedger(['balance', '0'.repeat(64), '--genesis', file('none')]);
  expect(lost).toMatchObject({ exitCode: 1, json: { error: { code: 'server/config' } } });
  expect(lost.lines[0]).toContain('--genesis FILE');
});

test('[Y4] a key that others may read is refused, and none is written over', async () => {
  await ledger('keygen', '--out', file('open.json'));
  await chmod(file('open.json'), 0o644);
  const refused = await ledger('balance', '--key', file('open.json'));
  expect(refused).toMatchObject({ exitCode: 1, error: { code: 'server/config' } });
  const before = await readFile(file('ann.json'), 'utf8');
  expect(await ledger('keygen', '--out', file('ann.json'))).toMatchObject({ exitCode: 1 });
  expect(await readFile(file('ann.json'), 'utf8')).toBe(before);
  const made = await ledger('keygen', '--out', file('fresh.json'));
  const { seed } = JSON.parse(await readFile(file('fresh.json'), 'utf8')) as { seed: string };
  expect(JSON.stringify(made)).not.toContain(seed);
});

test('[Y5] the golden chain, evidence, a new network and a stopped folder, with nobody to ask', async () => {
  const genesis = goldenPath('ledger/genesis.cbor');
  const argv = ['verify', '--genesis', genesis, '--from', goldenPath('ledger/chain.transcript')];
  // A process of its own, as it is typed.
  const run = promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', 'server/ledger/cli.ts', ...argv, '--json'],
  ]);
  const printed = (await run).stdout.split('\n').find((line) => line.startsWith('{'));
  expect(JSON.parse(printed ?? '{}')).toMatchObject({ verified: true, epoch: 2, blocks: 26 });

  const { genesis: own, evidence } = evidenceOfFork();
  await writeFile(file('own.cbor'), own);
  await writeFile(file('evidence'), evidence);
  const judged = await runLedger(['evidence', file('evidence'), '--genesis', file('own.cbor')]);
  expect(judged).toMatchObject({ exitCode: 0, json: { convicts: true, both: [1, 2, 3] } });
  const others = await runLedger(['evidence', file('evidence'), '--genesis', genesis]);
  expect(others).toMatchObject({ exitCode: 1, json: { error: { code: 'ledger/unproven' } } });

  const hosts = [1, 2, 3, 4].map((i) => `127.0.0.1:${7_000 + 10 * i}`).join(',');
  const made = await runLedger(['genesis', '--replicas', hosts, '--out', file('network')]);
  expect(made).toMatchObject({ exitCode: 0, json: { folders: { length: 4 } } });
  expect(await runLedger(['genesis', '--replicas', hosts, '--out', file('network')])).toMatchObject(
    {
      exitCode: 1,
    },
  );
  const sound = await runLedger(['fsck', join(file('network'), 'replica-0', 'data')]);
  expect(sound).toMatchObject({ exitCode: 0, json: { findings: [] } });
});

test('[L11] without a quorum a hold is refused at once; reads go on', async () => {
  const stopped = replicas.splice(2);
  await Promise.all(stopped.map((replica) => replica.close()));
  // Each notices by itself, and one that has not yet would take the hold.
  await vi.waitFor(
    () => expect(replicas.map((replica) => replica.health().hasQuorum)).toEqual([false, false]),
    10_000,
  );
  const own = Buffer.from(network.genesis.gateways[0]!.publicKey).toString('hex');
  const startedAt = performance.now();
  const refused = await ledger('hold', '700', '--gateway', own, '--key', file('ann.json'));
  expect(refused).toMatchObject({ exitCode: 1, error: { code: 'ledger/no-quorum' } });
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(await ledger('balance', '--key', file('ann.json'))).toMatchObject({ exitCode: 0 });
});

test('[Y1] who names another network’s genesis is told so, and what is old is called stale', async () => {
  const clients = network.hosts.map(({ clients: { port } }) => `127.0.0.1:${port}`).join(',');
  const genesis = goldenPath('ledger/genesis.cbor');
  const at = ['--genesis', genesis, '--replicas', clients];
  const foreign = await runLedger(['balance', '0'.repeat(64), ...at]);
  expect(foreign).toMatchObject({ exitCode: 1, json: { error: { code: 'ledger/no-quorum' } } });
  expect(foreign.lines.join('\n')).toMatch(/another network/);
  // One replica alone shows no more than the last block that a quorum has sealed.
  await replicas.pop()?.close();
  vi.setSystemTime(Date.now() + 40_000);
  const read = ['--genesis', network.genesisFile, '--replicas', clients];
  for (const argv of [['members'], ['balance', '0'.repeat(64)]]) {
    const report = await runLedger([...argv, ...read]);
    expect(report).toMatchObject({ exitCode: 0, json: { isStale: true } });
    expect(report.lines.join('\n')).toMatch(/stale/);
  }
  vi.useRealTimers();
});
