import { ask, decodeRate, type SeenAnswer } from '#tests/support/answer.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import { MeshTab, startMeshPages } from '#tests/support/mesh-tab/mesh-tab.ts';
import { promptIds } from './prompt.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { pauses } from './ring/pauses.ts';
import { RingTabs } from './ring/ring-tabs.ts';

const NEW_TOKENS = 96;
const PROMPT_TOKENS = 64;
const STREAMS = 8;
const RUNS = 5;
const HOPS = 3;
const ROUND_TRIPS = 500;

interface Throughput {
  /** Tokens/s of one stream, and of eight together. */
  readonly one: number;
  readonly eight: number;
}

interface Ring extends Throughput {
  /** Medians over the runs of one stream: a token's way round, and the stages' compute in it. */
  readonly roundMs: number;
  readonly computeMs: number;
  /** Round less compute, by three. */
  readonly hopMs: number;
  /** What a lost tab costs a reader. */
  readonly pauses: BenchResult['figures'];
}

/** One tab against three tabs (a browser process each), beside the RTT of the same data channel. */
export async function run(): Promise<BenchResult> {
  const rttMs = await roundTripMs();
  const alone = await oneTab();
  const three = await threeTabs();
  return {
    name: 'ring',
    machine: machine(),
    figures: {
      'one tab, one stream, tokens/s': alone.one.toFixed(1),
      'one tab, eight streams, tokens/s': alone.eight.toFixed(1),
      'three tabs, one stream, tokens/s': three.one.toFixed(1),
      'three tabs, eight streams, tokens/s': three.eight.toFixed(1),
      'round p50, ms': three.roundMs.toFixed(2),
      'compute of the stages a round p50, ms': three.computeMs.toFixed(2),
      'RTT of a bare frames channel p50, ms': rttMs.toFixed(2),
      ...three.pauses,
    },
    bars: [
      atMost('overhead a hop p50', three.hopMs, { max: rttMs / 2 + 0.8, unit: 'ms' }),
      atLeast('one stream, three tabs against one', three.one / alone.one, { min: 0.6, unit: '×' }),
      atLeast('eight streams against one, three tabs', three.eight / three.one, {
        min: 2.5,
        unit: '×',
      }),
    ],
  };
}

/** A row worker to worker and back, over the product's mesh between two browsers that do nothing else. */
async function roundTripMs(): Promise<number> {
  const cluster = await startMeshPages();
  const browsers = await Promise.all([launchBrowser(), launchBrowser()]);
  try {
    const [a, b] = await Promise.all(browsers.map((browser) => MeshTab.open(browser, cluster.url)));
    if (!a || !b) throw new Error('two browsers give two tabs');
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await Promise.all([a, b].map((tab) => tab.until('link-open direct', 10_000)));
    return (await a.roundTrips(b.id, ROUND_TRIPS)).p50Ms;
  } finally {
    for (const browser of browsers) await browser.close();
    await cluster.close();
  }
}

async function oneTab(): Promise<Throughput> {
  const cluster = await RingTabs.start(1);
  try {
    const ones: number[] = [];
    const eights: number[] = [];
    await warmUp(cluster.url);
    for (let i = 0; i < RUNS; i += 1) {
      ones.push(decodeRate(await ask(cluster.url, job())));
      eights.push(await eightStreams(cluster.url));
    }
    return { one: median(ones), eight: median(eights) };
  } finally {
    await cluster.end();
  }
}

async function threeTabs(): Promise<Ring> {
  const cluster = await RingTabs.start(HOPS);
  try {
    const ones: { rate: number; roundMs: number; computeMs: number; hopMs: number }[] = [];
    const eights: number[] = [];
    await warmUp(cluster.url);
    for (let i = 0; i < RUNS; i += 1) {
      const seen = await ask(cluster.url, job());
      const live = await Promise.all(cluster.tabs.map((tab) => tab.snapshot()));
      const computeMs = live.reduce((sum, one) => sum + one.stepMsP50, 0);
      const roundMs = median(intervals(seen));
      const hopMs = (roundMs - computeMs) / HOPS;
      ones.push({ rate: decodeRate(seen), roundMs, computeMs, hopMs });
      eights.push(await eightStreams(cluster.url));
    }
    return {
      one: median(ones.map((one) => one.rate)),
      eight: median(eights),
      roundMs: median(ones.map((one) => one.roundMs)),
      computeMs: median(ones.map((one) => one.computeMs)),
      hopMs: median(ones.map((one) => one.hopMs)),
      // Last: a cluster that lost tabs is another one.
      pauses: await pauses(cluster),
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

const warmUp = (url: string) => ask(url, { ...job(), maxTokens: 8 });

const intervals = ({ arrivals }: SeenAnswer): number[] =>
  arrivals.slice(1).map((at, i) => at - (arrivals[i] ?? 0));

/** Tokens/s of eight answers between the last first token and the first last token. */
async function eightStreams(url: string): Promise<number> {
  const together = await Promise.all(Array.from({ length: STREAMS }, () => ask(url, job())));
  const from = Math.max(...together.map((seen) => seen.arrivals[0] ?? 0));
  const to = Math.min(...together.map((seen) => seen.arrivals.at(-1) ?? 0));
  const tokens = together.flatMap((seen) => seen.arrivals.filter((at) => at > from && at <= to));
  return (1000 * tokens.length) / (to - from);
}
