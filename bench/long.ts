import { fileURLToPath } from 'node:url';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { withGguf } from './gguf.ts';
import { runInTab } from './in-tab.ts';
import { runLlama } from './llama/llama.ts';
import { measureLong, PASTS } from './long/measure.ts';
import { atMost, machine, median, type BenchResult } from './result.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const WORKER = new URL('./long/worker.ts', import.meta.url);
/** The bar: a step deep in a conversation, of one at its beginning. */
const GROWTH_MAX = 1.9;

/** What a token costs deep in a conversation, on one thread, beside native llama.cpp. */
export async function run(): Promise<BenchResult> {
  const tab = await runInTab<number[][]>(MODEL, WORKER);
  const all = {
    tab: tab.value,
    Node: await measureInNode(),
    'native llama.cpp Q4_1': await measureNative(),
  };
  const figures: Record<string, number | string> = { Chromium: tab.version };
  const growth: Record<string, number> = {};
  for (const [where, times] of Object.entries(all)) {
    const [short = Number.NaN, deep = Number.NaN] = times.map(median);
    for (const [at, past] of PASTS.entries())
      figures[`${where}, past ${past}, step ms`] = median(times[at] ?? []).toFixed(2);
    growth[where] = deep / short;
  }
  return {
    name: 'long',
    machine: machine(),
    figures: {
      ...figures,
      'native llama.cpp, step growth ×': (growth['native llama.cpp Q4_1'] ?? 0).toFixed(2),
    },
    bars: ['tab', 'Node'].map((where) =>
      atMost(`${where}: step at past 4 000 of that at past 128`, growth[where] ?? Number.NaN, {
        ...{ max: GROWTH_MAX, unit: '×' },
      }),
    ),
  };
}

async function measureInNode(): Promise<number[][]> {
  const { manifest, weights } = await openPackageFolder(MODEL);
  return measureLong({ module: await loadKernels(), shape: manifest.shape, weights });
}

async function measureNative(): Promise<readonly (readonly number[])[]> {
  const { stepMs } = await withGguf(MODEL, (gguf) =>
    runLlama({ gguf, threads: 1, rounds: 3, newTokens: 33, prefills: [], pasts: PASTS }),
  );
  return stepMs;
}
