import { fileURLToPath } from 'node:url';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { ask } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { withGguf } from './gguf.ts';
import { runInTab } from './in-tab.ts';
import { runLlama } from './llama/llama.ts';
import { measurePrefill, PREFILLS } from './prefill/measure.ts';
import { PROMPT, promptIds } from './prompt.ts';
import { atLeast, atMost, machine, median, type BenchResult } from './result.ts';
import { BEST_OF_PEER, runWllama } from './wllama/wllama.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const WORKER = new URL('./prefill/worker.ts', import.meta.url);
const TTFT_TOKENS = 128;
const RUNS = 5;

/** Reading a prompt on one thread beside native llama.cpp, and the first token beside wllama. */
export async function run(): Promise<BenchResult> {
  return withGguf(MODEL, async (gguf) => {
    const native = { gguf, threads: 1, rounds: 5, newTokens: 1, prefills: PREFILLS, pasts: [] };
    // Before and after ours: a machine that is slow for a while is slow for all of them.
    const before = await runLlama(native);
    const tab = await runInTab<number[][]>(MODEL, WORKER);
    const node = await measureInNode();
    const after = await runLlama(native);
    const wllama = await runWllama({ gguf, prompt: PROMPT, newTokens: 2, threads: 1 });
    const ttftMs = await firstTokenMs();
    const bestTtft = wllama.ttftMs * BEST_OF_PEER.ttft;
    const rows = PREFILLS.map((tokens, at) => {
      const peerMs = [...(before.prefillMs[at] ?? []), ...(after.prefillMs[at] ?? [])];
      const rate = (times: readonly number[]): number => (1000 * tokens) / median(times);
      return {
        tokens,
        ...{ tab: rate(tab.value[at] ?? []), node: rate(node[at] ?? []), native: rate(peerMs) },
      };
    });
    const figures: Record<string, number | string> = {
      ...{ Chromium: tab.version, 'native llama.cpp': before.system },
    };
    for (const { tokens, ...rates } of rows) {
      for (const [where, rate] of Object.entries(rates))
        figures[`${tokens} tokens, ${where}, tokens/s`] = rate.toFixed(0);
    }
    return {
      name: 'prefill',
      machine: machine(),
      figures: {
        ...figures,
        'first token through the API, ms': ttftMs.toFixed(0),
        'wllama Q4_1, first token ms': wllama.ttftMs.toFixed(0),
        'wllama best (Q8_0, by ratio), first token ms': bestTtft.toFixed(0),
      },
      bars: [
        ...rows.map(({ tokens, tab: ours, native: peer }) =>
          atLeast(`${tokens} tokens in a tab against native Q4_1`, ours / peer, {
            ...{ min: 0.9, unit: '×' },
          }),
        ),
        atMost('first token against wllama at its best', ttftMs / bestTtft, {
          ...{ max: 0.17, unit: '×' },
        }),
      ],
    };
  });
}

async function measureInNode(): Promise<number[][]> {
  const { manifest, weights } = await openPackageFolder(MODEL);
  return measurePrefill({ module: await loadKernels(), shape: manifest.shape, weights });
}

/** One tab alone, asked through the API. */
async function firstTokenMs(): Promise<number> {
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await VolunteerTab.open(server.url);
  try {
    await tab.contribute();
    await tab.untilPhase(['ready', 'serving', 'spare'], 60_000);
    const times: number[] = [];
    for (let i = 0; i <= RUNS; i += 1) {
      const seen = await ask(server.url, { promptIds: promptIds(TTFT_TOKENS), maxTokens: 2 });
      if (i > 0) times.push(seen.arrivals[0] ?? Number.NaN); // the first warms up
    }
    return median(times);
  } finally {
    await tab.end();
    await server.stop();
  }
}
