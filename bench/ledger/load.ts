import { setTimeout as sleep } from 'node:timers/promises';
import { fromHex } from '#lib/kernel/bytes.ts';
import { must } from '#lib/kernel/assert.ts';
import { nodeSigner } from '#lib/ledger/crypto/server.ts';
import { operatorSeed } from '#tests/support/ledger/local-network.ts';
import { atLeast, median, type Bar } from '../result.ts';
import { Crowd } from './crowd.ts';
import { verifySlice } from './floors.ts';
import { Holders } from './holders.ts';
import { Processes } from './processes.ts';

const ACCOUNTS = 10_000;
const RUN_MS = 8_000;
const B = 64;
/** In flight and waiting: twice what the slots of W = 8 hold at B = 64, four times at B = 1. */
const OUTSTANDING = 1_000;
const OUTSTANDING_SINGLE = 32;

/** C(n, B): verify-equivalents of a batch. */
const equivalents = (n: number, b: number): number =>
  n * b + (n - 1) + (n - 1) ** 2 + n * (n - 1) + 1.08 * n * b;

interface Load {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** Transactions a block as they came out. */
  readonly batch: number;
  readonly verifiesPerSecond: number;
  readonly efficiency: number;
}

export interface LoadReport {
  readonly figures: Readonly<Record<string, number>>;
  readonly bars: readonly Bar[];
}

/** E at B = 64 and at B = 1, on one network that changes its parameters between the two. */
export async function load(): Promise<LoadReport> {
  const processes = await Processes.start({ batchMax: BigInt(B) });
  const crowd = new Crowd(processes.clientPorts);
  try {
    await crowd.ready();
    const holders = new Holders(processes.network.chain, ACCOUNTS);
    let granted = 0;
    const grants = (): Uint8Array | null =>
      granted < ACCOUNTS ? holders.grant((granted += 1) - 1) : null;
    const startedAt = performance.now();
    await crowd.keepBusy(OUTSTANDING, grants);
    const grantSeconds = (performance.now() - startedAt) / 1_000;
    const full = await measured(processes, { crowd, holders }, OUTSTANDING);
    await setBatch(processes, { crowd, holders }, 1n);
    const single = await measured(processes, { crowd, holders }, OUTSTANDING_SINGLE);
    const figures = {
      'accounts granted a second, B = 64': Math.round(ACCOUNTS / grantSeconds),
      ...figuresOf(full, 'B = 64'),
      ...figuresOf(single, 'B = 1'),
    };
    const bars = [
      atLeast('E at B = 64', full.efficiency, { min: 0.5, unit: 'of a core that only verifies' }),
      atLeast('E at B = 1', single.efficiency, { min: 0.35, unit: 'of a core that only verifies' }),
    ];
    return { figures, bars };
  } finally {
    crowd.close();
    await processes.stop();
  }
}

interface Clients {
  readonly crowd: Crowd;
  readonly holders: Holders;
}

async function measured(
  processes: Processes,
  { crowd, holders }: Clients,
  outstanding: number,
): Promise<Load> {
  const slices: number[] = [verifySlice()];
  let at = 0;
  const run = async (ms: number): Promise<{ sent: number; seconds: number }> => {
    const startedAt = performance.now();
    const sent = await crowd.keepBusy(outstanding, () =>
      performance.now() - startedAt < ms ? holders.hold((at += 1)) : null,
    );
    return { sent, seconds: (performance.now() - startedAt) / 1_000 };
  };
  await run(RUN_MS / 4);
  const before = { cpu: processes.cpuSeconds(), blocks: await processes.executed() };
  const first = await run(RUN_MS / 2);
  const middle = processes.cpuSeconds();
  // The verifications are measured between the halves, while no replica works.
  slices.push(verifySlice());
  const again = { cpu: processes.cpuSeconds() };
  const second = await run(RUN_MS / 2);
  const cpu = middle - before.cpu + (processes.cpuSeconds() - again.cpu);
  const blocks = (await processes.executed()) - before.blocks;
  slices.push(verifySlice());
  const sent = first.sent + second.sent;
  const verifiesPerSecond = median(slices);
  const batch = sent / blocks;
  const perCpuSecond = sent / cpu;
  return {
    ...{
      perCpuSecond,
      batch,
      verifiesPerSecond,
      perSecond: sent / (first.seconds + second.seconds),
    },
    efficiency: (perCpuSecond * equivalents(4, batch)) / (batch * verifiesPerSecond),
  };
}

const figuresOf = (of: Load, name: string): Record<string, number> => ({
  [`transactions/s, ${name}`]: Math.round(of.perSecond),
  [`transactions a CPU second of all four, ${name}`]: Math.round(of.perCpuSecond),
  [`transactions a block, ${name}`]: Number(of.batch.toPrecision(3)),
  [`verifications/s beside it, ${name}`]: Math.round(of.verifiesPerSecond),
});

/** All operators change B; it is in effect when the next epoch has begun. */
async function setBatch(
  processes: Processes,
  { crowd, holders }: Clients,
  batchMax: bigint,
): Promise<void> {
  const { network } = processes;
  const seeds = await Promise.all(network.operatorFiles.map(operatorSeed));
  const operators = seeds.map((seed) => nodeSigner(must(fromHex(seed), 'a seed')));
  const { parameters } = network.genesis;
  const body = {
    type: 'set-parameters',
    epoch: 0n,
    ...parameters,
    batchMax,
    approvals: [],
  } as const;
  await crowd.send(holders.change(body, operators.slice(0, 3)));
  while ((await processes.epoch()) < 1) await sleep(50);
}
