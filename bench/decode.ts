import { fileURLToPath } from 'node:url';
import { invariant } from '#lib/kernel/assert.ts';
import { ask, decodeRate } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { withGguf } from './gguf.ts';
import { runInTab } from './in-tab.ts';
import { runLlama } from './llama/llama.ts';
import { BEST_OF_PEER, runWllama } from './wllama/wllama.ts';
import { PROMPT, promptIds } from './prompt.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const ALONE = new URL('./decode/worker.ts', import.meta.url);
const NEW_TOKENS = 128;
const PROMPT_TOKENS = 128;
const RUNS = 3;

/**
 * One tab alone through the API, one thread and two, and its stage without page, server and client;
 * wllama in the same browser, native llama.cpp.
 */
export async function run(): Promise<BenchResult> {
  const [ours, two] = [await runOurs(1), await runOurs(2)];
  const [oneMs = Number.NaN, twoMs = Number.NaN] = (
    await runInTab<number[][]>(MODEL, ALONE)
  ).value.map(median);
  const { wllama: peer, wllamaTwo: peerTwo, nativeRate } = await runPeers();
  const bestRate = peer.tokensPerSecond * BEST_OF_PEER.decode;
  const bestTtft = peer.ttftMs * BEST_OF_PEER.ttft;
  const bestRateTwo = peerTwo.tokensPerSecond * BEST_OF_PEER.decode;
  return {
    name: 'decode',
    machine: machine(),
    figures: {
      'ours, tokens/s': ours.rate.toFixed(1),
      'ours, first token ms': ours.ttftMs.toFixed(0),
      'ours, two threads, tokens/s': two.rate.toFixed(1),
      'ours, two threads, first token ms': two.ttftMs.toFixed(0),
      'our stage alone, ms a token': oneMs.toFixed(2),
      'our stage alone, two threads, ms a token': twoMs.toFixed(2),
      'wllama Q4_1, tokens/s': peer.tokensPerSecond.toFixed(1),
      'wllama Q4_1, first token ms': peer.ttftMs.toFixed(0),
      'wllama Q4_1, two threads, tokens/s': peerTwo.tokensPerSecond.toFixed(1),
      'wllama best (Q8_0, by ratio), tokens/s': bestRate.toFixed(1),
      'wllama best (Q8_0, by ratio), first token ms': bestTtft.toFixed(0),
      'native llama.cpp Q4_1, tokens/s': nativeRate.toFixed(1),
      'wllama prompt and new tokens': `${peer.promptTokens} + ${peer.newTokens}`,
    },
    bars: [
      atLeast('decode against wllama at its best', ours.rate / bestRate, { min: 5, unit: '×' }),
      atLeast('decode against native llama.cpp, Q4_1', ours.rate / nativeRate, {
        min: 0.9,
        unit: '×',
      }),
      atMost('first token against wllama at its best', ours.ttftMs / bestTtft, {
        max: 0.17,
        unit: '×',
      }),
      atLeast('decode, two threads over one', two.rate / ours.rate, { min: 1.7, unit: '×' }),
      atLeast('our stage alone in a tab, two threads over one', oneMs / twoMs, {
        min: 1.7,
        unit: '×',
      }),
      atLeast('decode against wllama at its best, two threads', two.rate / bestRateTwo, {
        min: 5,
        unit: '×',
      }),
    ],
  };
}

async function runOurs(threads: number): Promise<{ rate: number; ttftMs: number }> {
  const server = await TestServer.start(['--no-seed-volunteer', '--no-drafts']);
  const tab = await VolunteerTab.open(server.url);
  try {
    await tab.prefer({ threads });
    await tab.contribute();
    await tab.untilPhase(['ready', 'serving', 'spare'], 60_000);
    const { threads: choice } = await tab.snapshot();
    invariant(choice?.count === threads, `the tab computes with ${threads} threads`);
    const job = {
      promptIds: promptIds(PROMPT_TOKENS),
      maxTokens: NEW_TOKENS,
      extra: { ignore_eos: true },
    };
    await ask(server.url, { ...job, maxTokens: 4 });
    const rates: number[] = [];
    const ttfts: number[] = [];
    for (let i = 0; i < RUNS; i += 1) {
      const seen = await ask(server.url, job);
      rates.push(decodeRate(seen));
      ttfts.push(seen.arrivals[0] ?? Number.NaN);
    }
    return { rate: median(rates), ttftMs: median(ttfts) };
  } finally {
    await tab.end();
    await server.stop();
  }
}

/** wllama and native llama.cpp, with the same weights. */
const runPeers = () =>
  withGguf(MODEL, async (gguf) => {
    const job = { gguf, prompt: PROMPT, newTokens: NEW_TOKENS };
    const wllama = await runWllama({ ...job, threads: 1 });
    const wllamaTwo = await runWllama({ ...job, threads: 2 });
    const { stepMs } = await runLlama({
      ...{ gguf, threads: 1, rounds: RUNS, newTokens: NEW_TOKENS },
      ...{ prefills: [], pasts: [PROMPT_TOKENS] },
    });
    return { wllama, wllamaTwo, nativeRate: 1000 / median(stepMs[0] ?? []) };
  });
