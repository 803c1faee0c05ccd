import { setTimeout as sleep } from 'node:timers/promises';
import { createLedgerClient } from '#lib/ledger/client/client.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { tlsEndpoint } from '#server/ledger/connect.ts';
import { readFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { TestServer, serving } from '#tests/support/server.ts';
import { atMost, median, type Bar } from '../result.ts';
import { Crowd } from './crowd.ts';
import { Holders } from './holders.ts';
import { Processes } from './processes.ts';

const IDLE_MS = 10_000;
const OFFER_MS = 10_000;
const PER_SECOND = 200;
const HOLDS = 60;
/** Between two holds: nothing of the one before is under way. */
const PAUSE_MS = 60;
const ACCOUNTS = 512;
const MODEL = 'smollm2-135m-instruct';

export interface PaceReport {
  readonly figures: Readonly<Record<string, number>>;
  readonly bars: readonly Bar[];
}

/** What four replicas cost when little is asked of them, and how long a gateway waits for a hold. */
export async function pace(): Promise<PaceReport> {
  const processes = await Processes.start();
  const crowd = new Crowd(processes.clientPorts);
  try {
    await crowd.ready();
    await sleep(3_000);
    const idle = await costOf(processes, () => sleep(IDLE_MS));
    const residentMib = Math.max(...processes.residentMib());
    const holders = new Holders(processes.network.chain, ACCOUNTS);
    for (let i = 0; i < ACCOUNTS; i += 64) {
      const page = Array.from({ length: 64 }, (_, k) => crowd.send(holders.grant(i + k)));
      await Promise.all(page);
    }
    let at = 0;
    const next = (): Uint8Array => holders.hold((at += 1));
    await crowd.offer(PER_SECOND, 2_000, next);
    let latencies: number[] = [];
    const busy = await costOf(processes, async () => {
      latencies = await crowd.offer(PER_SECOND, OFFER_MS, next);
    });
    const holdMs = await holdLatencies(processes, holders);
    const decodingMs = await whileDecoding(() => holdLatencies(processes, holders));
    return {
      figures: {
        [`ms to two equal answers at ${PER_SECOND} tx/s, p50`]: round(median(latencies)),
        'ms hold to reply, idle, p99': round(percentile(holdMs, 0.99)),
        'ms hold to reply beside a decoding volunteer, p99': round(percentile(decodingMs, 0.99)),
      },
      bars: [
        atMost('four idle replicas', 100 * idle, { max: 3, unit: '% of a core' }),
        atMost('the largest idle replica', residentMib, { max: 120, unit: 'MiB' }),
        atMost(`four replicas at ${PER_SECOND} tx/s`, busy, { max: 1.2, unit: 'cores' }),
        atMost('hold to reply, idle, p50', median(holdMs), { max: 30, unit: 'ms' }),
        atMost('hold to reply beside a decoding volunteer, p50', median(decodingMs), {
          ...{ max: 60, unit: 'ms' },
        }),
      ],
    };
  } finally {
    crowd.close();
    await processes.stop();
  }
}

const round = (value: number): number => Number(value.toPrecision(3));

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;

/** Cores that all four use while `run` lasts. */
async function costOf(processes: Processes, run: () => Promise<void>): Promise<number> {
  const [cpu, startedAt] = [processes.cpuSeconds(), performance.now()];
  await run();
  return ((processes.cpuSeconds() - cpu) * 1_000) / (performance.now() - startedAt);
}

/** One hold after the other by the gateway's own client: signed, sent to all, proven by f + 1 SEALs. */
async function holdLatencies(processes: Processes, holders: Holders): Promise<number[]> {
  const signer = holders.signer(0);
  const client = createLedgerClient({
    ...{ genesis: new Uint8Array(await readFile(processes.network.genesisFile)), signer },
    endpoints: processes.clientPorts.map((port) => tlsEndpoint({ host: '127.0.0.1', port })),
    ...{ verify: serverVerifier(), sha256: nodeSha256, nowMs: () => Date.now() },
    random: (length) => new Uint8Array(randomBytes(length)),
  });
  const account = accountId(signer.publicKey, nodeSha256);
  const times: number[] = [];
  try {
    for (let i = -5; i < HOLDS; i += 1) {
      await sleep(PAUSE_MS);
      const startedAt = performance.now();
      const { code } = await client.hold({
        ...{ holdId: holders.holdId(), account, gateway: holders.gateway(0).publicKey },
        ...{ amountMicro: 10n, expiresAtMs: BigInt(Date.now() + 3_600_000) },
      });
      if (code !== 'ok') throw new Error(`a hold was refused: ${code}`);
      // The first ones are dialled for, and compiled.
      if (i >= 0) times.push(performance.now() - startedAt);
    }
    return times;
  } finally {
    client.close();
  }
}

/** The product beside it, its built-in volunteer answering one prompt after the other. */
async function whileDecoding<T>(run: () => Promise<T>): Promise<T> {
  const server = await TestServer.start();
  const over = new AbortController();
  try {
    await server.until('the volunteer serves', (status) => serving(status).length > 0, 60_000);
    const decoding = (async (): Promise<void> => {
      while (!over.signal.aborted) await prompt(server.url);
    })();
    await sleep(1_000);
    const result = await run();
    over.abort();
    await decoding;
    return result;
  } finally {
    over.abort();
    await server.stop();
  }
}

async function prompt(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: MODEL, max_tokens: 256, messages: [{ role: 'user', content: 'Count to 200.' }] },
    }),
  });
  if (!response.ok) throw new Error(`the volunteer does not answer: ${await response.text()}`);
  await response.text();
}
