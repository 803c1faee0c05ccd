import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { runLedger } from '#server/ledger/run.ts';
import type { Host } from '#server/replica/network-plan.ts';
import { Endpoints, acknowledged } from '#tests/support/ledger/acknowledged.ts';
import { Book } from '#tests/support/ledger/book.ts';
import { ChildReplica } from '#tests/support/ledger/child-replica.ts';
import { floodApart, type FloodJob } from '#tests/support/ledger/flood-apart.ts';
import { health, localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

/** `npm run test:full` sends a hundred thousand, and asks that others hardly notice. */
const FRAMES = process.env['LEDGER_FRAMES'] === undefined ? 10_000 : 100_000;
const IS_FULL = FRAMES === 100_000;
const PER_SECOND = 20;
const GROWTH_KIB_MAX = 64 * 1024;
/** As long as a member's flood lasts: p99 of fewer is another thing. */
const QUIET_MS = 11_000;

/** Three honest replicas of four, as processes; the fourth is the test. */
let network: LocalNetwork;
let endpoints: Endpoints;
let attacker = 0;
let honest: Host[] = [];
let children: ChildReplica[] = [];
let book: Book;
const random = seededRandom(6);

beforeAll(async () => {
  network = await localNetwork(4, { checkpointInterval: 16n, logWindow: 64n });
  const ids = network.genesis.replicas.map(({ operatorKey }) => toHex(operatorKey));
  // Of the lowest id: it dials the others, and nobody waits at its own address.
  attacker = ids.indexOf(must([...ids].sort()[0], 'an id'));
  honest = network.hosts.filter((_, i) => i !== attacker);
  children = network.configs.filter((_, i) => i !== attacker).map((each) => new ChildReplica(each));
  await Promise.all(children.map((child) => child.start()));
  endpoints = new Endpoints(honest.map(({ clients }) => clients.port));
  book = new Book(network.chain, signerOf('gateway'), random.fork());
  // The view of the member that is missing, and programs that are not warm yet.
  const end = performance.now() + 3_000;
  await offer(() => performance.now() > end);
}, 60_000);
afterAll(async () => {
  endpoints.close();
  await Promise.all(children.map((child) => child.stop()));
  await network.remove();
});

const residentKib = (): number[] =>
  children.map(({ pid }) =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  );

/** Transactions at their rate until `isOver`; how long each took to be acknowledged. */
async function offer(isOver: () => boolean): Promise<number[]> {
  const latencies: number[] = [];
  const all: Promise<void>[] = [];
  while (!isOver()) {
    const planned = book.next();
    all.push(
      acknowledged(endpoints, planned.bytes).then(({ code, latencyMs }) => {
        expect(code).toBe(0);
        planned.settle();
        latencies.push(latencyMs);
      }),
    );
    await sleep(1000 / PER_SECOND);
  }
  await Promise.all(all);
  return latencies;
}

const p99 = (values: readonly number[]): number =>
  must([...values].sort((a, b) => a - b)[Math.ceil(0.99 * values.length) - 1], 'a value');

/** All frames, a share to each replica, while transactions go on: nothing is lost, and little is felt. */
async function endures(by: FloodJob['by'], portOf: (host: Host) => number): Promise<void> {
  const seed = random.below(2 ** 32);
  const framesEach = Math.ceil(FRAMES / honest.length);
  const ready = await floodApart({ by, ports: honest.map(portOf), framesEach, seed });
  const end = performance.now() + QUIET_MS;
  const quiet = IS_FULL ? await offer(() => performance.now() > end) : [0];
  const before = residentKib();
  const startedAt = performance.now();
  let isOver = false;
  const floods = ready.run().finally(() => (isOver = true));
  const latencies = await offer(() => isOver);
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(await floods, 'thrown out').toEqual([0, 0, 0]);
  expect(latencies.length).toBeGreaterThan(10);
  const grown = Math.max(...residentKib().map((kib, i) => kib - (before[i] ?? 0)));
  const seen = `${p99(latencies).toFixed()} ms for ${p99(quiet).toFixed()}, ${grown} KiB, ${seconds.toFixed(1)} s`;
  expect(grown, seen).toBeLessThan(GROWTH_KIB_MAX);
  process.stdout.write(`${seen}\n`);
  if (IS_FULL) expect(p99(latencies), seen).toBeLessThanOrEqual(2 * p99(quiet));
  for (const host of honest) expect(await health(host)).toMatchObject({ votes: true });
}

test('[X12] a member that sends any message: nothing is lost', async () => {
  const config = must(network.configs[attacker], 'a configuration');
  await endures({ kind: 'member', config, replica: attacker }, ({ replicas }) => replicas.port);
}, 240_000);

test('[Y7] [L15] what it signed twice convicts it, to everybody who has the genesis', async () => {
  const out = await mkdtemp(join(tmpdir(), 'declai-evidence-'));
  const replicas = honest.map(({ clients }) => `127.0.0.1:${clients.port}`).join(',');
  const common = ['--genesis', network.genesisFile, '--json'];
  const gathered = await runLedger(['evidence', ...common, '--replicas', replicas, '--out', out]);
  const { evidence } = gathered.json as { evidence: { replica: number; file: string }[] };
  expect(evidence.length).toBeGreaterThan(0);
  for (const { replica, file } of evidence) {
    expect(replica).toBe(attacker);
    const judged = await runLedger(['evidence', file, ...common]);
    expect(judged).toMatchObject({ exitCode: 0, json: { convicts: true, replica: attacker } });
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    const forged = await runLedger(['evidence', file, ...common]);
    expect(forged).toMatchObject({ exitCode: 1, json: { error: { code: 'ledger/unproven' } } });
  }
  await rm(out, { recursive: true });
});

test('[X12] a client that asks for anything: the same', async () => {
  const planned = book.next();
  await acknowledged(endpoints, planned.bytes);
  planned.settle();
  const by = { kind: 'client', transaction: toHex(planned.bytes) } as const;
  await endures(by, ({ clients }) => clients.port);
}, 240_000);
