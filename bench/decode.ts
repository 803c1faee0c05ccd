import { fileURLToPath } from 'node:url';
import { ask, decodeRate } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { withGguf } from './gguf.ts';
import { runLlama } from './llama/llama.ts';
import { BEST_OF_PEER, runWllama } from './wllama/wllama.ts';
import { PROMPT, promptIds } from './prompt.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const NEW_TOKENS = 128;
const PROMPT_TOKENS = 128;
const RUNS = 3;

/** One tab alone, one thread, through the API; wllama in the same browser, and native llama.cpp. */
export async function run(): Promise<BenchResult> {
  const ours = await runOurs();
  const { wllama: peer, nativeRate } = await runPeers();
  const bestRate = peer.tokensPerSecond * BEST_OF_PEER.decode;
  const bestTtft = peer.ttftMs * BEST_OF_PEER.ttft;
  return {
    name: 'decode',
    machine: machine(),
    figures: {
      'ours, tokens/s': ours.rate.toFixed(1),
      'ours, first token ms': ours.ttftMs.toFixed(0),
      'wllama Q4_1, tokens/s': peer.tokensPerSecond.toFixed(1),
      'wllama Q4_1, first token ms': peer.ttftMs.toFixed(0),
      'wllama best (Q8_0, by ratio), tokens/s': bestRate.toFixed(1),
      'wllama best (Q8_0, by ratio), first token ms': bestTtft.toFixed(0),
      'native llama.cpp Q4_1, tokens/s': nativeRate.toFixed(1),
      'wllama prompt and new tokens': `${peer.promptTokens} + ${peer.newTokens}`,
    },
    bars: [
      atLeast('decode against wllama at its best', ours.rate / bestRate, { min: 4, unit: '×' }),
      atLeast('decode against native llama.cpp, Q4_1', ours.rate / nativeRate, {
        min: 0.9,
        unit: '×',
      }),
      atMost('first token against wllama at its best', ours.ttftMs / bestTtft, {
        max: 0.25,
        unit: '×',
      }),
    ],
  };
}

async function runOurs(): Promise<{ rate: number; ttftMs: number }> {
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await VolunteerTab.open(server.url);
  try {
    await tab.contribute();
    await tab.untilPhase(['ready', 'serving', 'spare'], 60_000);
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
    const wllama = await runWllama({ gguf, prompt: PROMPT, newTokens: NEW_TOKENS });
    const { stepMs } = await runLlama({
      ...{ gguf, threads: 1, rounds: RUNS, newTokens: NEW_TOKENS },
      ...{ prefills: [], pasts: [PROMPT_TOKENS] },
    });
    return { wllama, nativeRate: 1000 / median(stepMs[0] ?? []) };
  });
