import { ask, decodeRate } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { ThreeTabs } from '#tests/support/three-tabs.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { promptIds } from './prompt.ts';

const NEW_TOKENS = 96;
const PROMPT_TOKENS = 64;
const STREAMS = 8;
const RUNS = 3;
const HOPS = 3;

interface Throughput {
  /** Tokens/s of one stream, and of eight together. */
  readonly one: number;
  readonly eight: number;
}

/** One tab against three tabs (a browser process each), beside the RTT of their data channels. */
export async function run(): Promise<BenchResult> {
  const alone = await oneTab();
  const three = await threeTabs();
  const roundMs = 1000 / three.one;
  const hopMs = (roundMs - three.computeMs) / HOPS;
  const hopBar = three.rttMs / 2 + 0.8;
  return {
    name: 'ring',
    machine: machine(),
    figures: {
      'one tab, one stream, tokens/s': alone.one.toFixed(1),
      'one tab, eight streams, tokens/s': alone.eight.toFixed(1),
      'three tabs, one stream, tokens/s': three.one.toFixed(1),
      'three tabs, eight streams, tokens/s': three.eight.toFixed(1),
      'round, ms': roundMs.toFixed(2),
      'compute of the stages a round, ms': three.computeMs.toFixed(2),
      'RTT of the data channels p50, ms': three.rttMs.toFixed(2),
    },
    bars: [
      atMost('overhead a hop p50', hopMs, { max: hopBar, unit: 'ms' }),
      atLeast('one stream, three tabs against one', three.one / alone.one, { min: 0.6, unit: '×' }),
      atLeast('eight streams against one, three tabs', three.eight / three.one, {
        min: 2.5,
        unit: '×',
      }),
    ],
  };
}

async function oneTab(): Promise<Throughput> {
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await VolunteerTab.open(server.url);
  try {
    await tab.contribute();
    await tab.untilPhase(['ready', 'serving', 'spare'], 60_000);
    return await throughput(server.url);
  } finally {
    await tab.end();
    await server.stop();
  }
}

async function threeTabs(): Promise<Throughput & { computeMs: number; rttMs: number }> {
  const cluster = await ThreeTabs.start();
  try {
    const measured = await throughput(cluster.server.url);
    await ask(cluster.server.url, job());
    const live = await Promise.all(cluster.tabs.map((tab) => tab.snapshot()));
    return {
      ...measured,
      computeMs: live.reduce((sum, one) => sum + one.stepMsP50, 0),
      rttMs: median(live.flatMap((one) => one.peers.flatMap((peer) => peer.rttMs ?? []))),
    };
  } finally {
    await cluster.end();
  }
}

const job = () => ({
  promptIds: promptIds(PROMPT_TOKENS),
  maxTokens: NEW_TOKENS,
  extra: { ignore_eos: true },
});

async function throughput(url: string): Promise<Throughput> {
  await ask(url, { ...job(), maxTokens: 8 });
  const ones: number[] = [];
  const eights: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    ones.push(decodeRate(await ask(url, job())));
    const together = await Promise.all(Array.from({ length: STREAMS }, () => ask(url, job())));
    // All eight run between the last first token and the first last token.
    const from = Math.max(...together.map((seen) => seen.arrivals[0] ?? 0));
    const to = Math.min(...together.map((seen) => seen.arrivals.at(-1) ?? 0));
    const tokens = together.flatMap((seen) => seen.arrivals.filter((at) => at > from && at <= to));
    eights.push((1000 * tokens.length) / (to - from));
  }
  return { one: median(ones), eight: median(eights) };
}
