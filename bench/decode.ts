import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, decodeRate } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { exportGguf } from './wllama/export-gguf.ts';
import { runWllama } from './wllama/wllama.ts';
import { PROMPT, promptIds } from './prompt.ts';

const MODEL = 'smollm2-135m-instruct' as ModelId;
const NEW_TOKENS = 128;
const PROMPT_TOKENS = 128;
const RUNS = 3;
/**
 * wllama is faster with Q8_0 than with Q4_1. Measured on one machine: 21.6 against 13.7 tokens/s,
 * and a first token after 2.95 s against 6.1 s. The ratios turn what it does with the same file
 * into its best.
 */
const BEST_OF_PEER = { decode: 21.6 / 13.7, ttft: 2.95 / 6.1 } as const;

/** One tab alone, one thread, through the API, against wllama in the same browser. */
export async function run(): Promise<BenchResult> {
  const ours = await runOurs();
  const peer = await runPeer();
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
      'wllama prompt and new tokens': `${peer.promptTokens} + ${peer.newTokens}`,
    },
    bars: [
      atLeast('decode against wllama at its best', ours.rate / bestRate, { min: 4, unit: '×' }),
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

/** The peer gets the very same weights, written back as one GGUF file. */
async function runPeer() {
  const folder = await mkdtemp(join(tmpdir(), 'declai-bench-'));
  try {
    const model = (await ModelRegistry.open(['public/models'])).get(MODEL);
    const gguf = join(folder, 'model.gguf');
    await exportGguf(model.folder, model.manifest, gguf);
    return await runWllama({ gguf, prompt: PROMPT, newTokens: NEW_TOKENS });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
