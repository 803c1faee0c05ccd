import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { readRecord, recordKey } from '#lib/ledger/account/records/kinds.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import type { ChainBlock } from '#lib/ledger/client/wire/answers.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { Endpoints, acknowledged, type Outcome } from './acknowledged.ts';
import { Book } from './book.ts';
import { ChildReplica } from './child-replica.ts';
import { health, localNetwork, type LocalNetwork } from './local-network.ts';
import { PortClient } from './port-client.ts';
import { signerOf } from './world.ts';

export interface KillRunOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** A kill so often; every second one is the primary's, then all at the end. */
  readonly killEveryMs: number;
}

export interface KillRunReport {
  readonly offered: number;
  readonly acknowledged: number;
  readonly killed: number;
  readonly killedPrimaries: number;
  /** From the restart of all to the last acknowledgement. */
  readonly drainMs: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly blocks: number;
  /** Broken promises, in words; none is right. */
  readonly faults: readonly string[];
}

/** Four processes under an open loop, killed one by one and then all, and everything compared. */
export async function killRun(options: KillRunOptions): Promise<KillRunReport> {
  const network = await localNetwork(4, {
    ...{ checkpointInterval: 32n, logWindow: 128n, viewTimeoutMs: 1_000n },
  });
  const children = network.configs.map((config) => new ChildReplica(config));
  try {
    await Promise.all(children.map((child) => child.start()));
    return await run(options, network, children);
  } finally {
    await Promise.all(children.map((child) => child.kill()));
    await network.remove();
  }
}

async function run(
  { seed, seconds, perSecond, killEveryMs }: KillRunOptions,
  network: LocalNetwork,
  children: readonly ChildReplica[],
): Promise<KillRunReport> {
  const random = seededRandom(seed);
  const book = new Book(network.chain, signerOf('gateway'), random.fork());
  const endpoints = new Endpoints(network.hosts.map(({ clients }) => clients.port));
  const outcomes = new Map<string, Outcome>();
  const all: Promise<void>[] = [];
  const restarts: Promise<void>[] = [];
  let killed = 0;
  let killedPrimaries = 0;
  const startedAt = performance.now();
  const offer = (): void => {
    const planned = book.next();
    const done = acknowledged(endpoints, planned.bytes).then((outcome) => {
      outcomes.set(planned.id, outcome);
      if (outcome.code === 0) planned.settle();
    });
    all.push(done);
  };
  const restart = async (index: number): Promise<void> => {
    const child = must(children[index], 'a replica');
    await child.kill();
    killed += 1;
    // A start that is killed again is waited for by nobody.
    restarts.push(child.start());
  };
  let kills = 0;
  for (;;) {
    const elapsed = performance.now() - startedAt;
    if (elapsed >= seconds * 1000) break;
    while (all.length < (elapsed / 1000) * perSecond) offer();
    if (elapsed > (kills + 0.5) * killEveryMs) {
      const primary = await primaryIndex(network);
      const isPrimary = kills % 2 === 0;
      const index = isPrimary ? primary : (primary + 1 + random.below(3)) % 4;
      kills += 1;
      if (isPrimary) killedPrimaries += 1;
      void restart(index);
    }
    await sleep(5);
  }
  await Promise.all(children.map((_, i) => restart(i)));
  const downAt = performance.now();
  await Promise.all(restarts);
  await Promise.all(all);
  const drainMs = performance.now() - downAt;
  endpoints.close();
  const { blocks, faults } = await compare(network, book, outcomes);
  const latencies = [...outcomes.values()].map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? 0;
  return {
    ...{ offered: all.length, acknowledged: outcomes.size, killed, killedPrimaries, drainMs },
    latencyMs: { p50: at(0.5), p99: at(0.99) },
    ...{ blocks, faults },
  };
}

/** Whose turn it is by the highest view that any replica has. */
async function primaryIndex({ hosts }: LocalNetwork): Promise<number> {
  const all = await Promise.all(hosts.map(health));
  return Math.max(...all.map((each) => Number(each?.['view'] ?? 0))) % hosts.length;
}

/** All replicas at one height: blocks, results, roots, and every account against the client's book. */
async function compare(
  network: LocalNetwork,
  book: Book,
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<{ readonly blocks: number; readonly faults: string[] }> {
  const faults: string[] = [];
  const clients = await Promise.all(
    network.hosts.map(async ({ clients: { port } }) =>
      must(await PortClient.connect(port), 'a replica that runs'),
    ),
  );
  const height = await commonHeight(clients);
  const headers = new Map<number, string>();
  const effects = new Map<string, number>();
  for (const client of clients) {
    for (const block of await blocksOf(client, height)) {
      const { sequence } = block.header;
      const hash = toHex(headerHash(block.header, nodeSha256));
      const known = headers.get(sequence);
      if (known !== undefined && known !== hash) faults.push(`two blocks at ${sequence}`);
      headers.set(sequence, hash);
      for (const [id, at] of effectsIn(block)) {
        if (at !== sequence) continue;
        const before = effects.get(id);
        if (before !== undefined && before !== at) faults.push(`${id} at ${before} and ${at}`);
        effects.set(id, at);
      }
    }
  }
  for (const [id, { sequence, code }] of outcomes) {
    if (code !== 0) faults.push(`${id} was refused with code ${code}`);
    if (effects.get(id) !== sequence) faults.push(`${id} acknowledged at ${sequence} is not there`);
  }
  for (let at = 1; at <= height; at += 1) if (!headers.has(at)) faults.push(`no block ${at}`);
  for (const client of clients) faults.push(...(await balances(client, book)));
  for (const client of clients) client.close();
  return { blocks: height, faults };
}

/** Waits until all have executed as much. */
async function commonHeight(clients: readonly PortClient[]): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const all = await Promise.all(clients.map((client) => client.ask({ type: 'status' })));
    const heights = all.map((each) => (each?.type === 'status' ? each.executed : -1));
    if (heights.every((height) => height === heights[0])) return heights[0] ?? 0;
    await sleep(100);
  }
  throw new Error('the replicas do not come to one height');
}

async function blocksOf(client: PortClient, last: number): Promise<ChainBlock[]> {
  const blocks: ChainBlock[] = [];
  for (let from = 1; from <= last;) {
    const answer = await client.ask({ type: 'blocks', from, count: 256 });
    if (answer?.type !== 'blocks') {
      // A gap that a state transfer left: others have these blocks.
      from += 1;
      continue;
    }
    blocks.push(...answer.blocks);
    from += answer.blocks.length;
  }
  return blocks;
}

const effectsIn = ({ results }: ChainBlock): [string, number][] =>
  results.map((result) => [
    toHex(result.subarray(0, 32)),
    Number(new DataView(result.buffer, result.byteOffset + 32).getBigUint64(0)),
  ]);

async function balances(client: PortClient, { accounts }: Book): Promise<string[]> {
  const faults: string[] = [];
  for (let from = 0; from < accounts.length; from += 64) {
    const page = accounts.slice(from, from + 64);
    const keys = page.map(({ id }) => recordKey('account', id, nodeSha256));
    const answer = await client.ask({ type: 'read', at: 'newest', minSequence: 0, keys });
    if (answer?.type !== 'records') return [`no records: ${JSON.stringify(answer)}`];
    for (const [i, { value }] of answer.records.entries()) {
      const read = value === null ? null : readRecord(value);
      const account = must(page[i], 'an account');
      if (read === null || isFault(read) || read.kind !== 'account') {
        faults.push(`no account ${toHex(account.id)}`);
        continue;
      }
      const { starterMicro, heldMicro } = read.record;
      if (starterMicro !== account.freeMicro || heldMicro !== account.heldMicro) {
        const own = `${account.freeMicro} + ${account.heldMicro} held`;
        faults.push(
          `${toHex(account.id)}: ${starterMicro} + ${heldMicro} held, the book says ${own}`,
        );
      }
    }
  }
  return faults;
}
