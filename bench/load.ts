import { readFileSync } from 'node:fs';
import { VolunteerTab } from '#tests/support/browser.ts';
import { TestServer } from '#tests/support/server.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { MIB } from '#lib/kernel/units.ts';
import { atMost, machine, type BenchResult } from './result.ts';
import { ask } from '#tests/support/answer.ts';
import { promptIds } from './prompt.ts';

const MODEL = 'smollm2-135m-instruct' as ModelId;
const POSITIONS = 192;
const SAMPLE_MS = 100;

/** Click to ready, cold and from the cache; what the network gave; what a tab holds. */
export async function run(): Promise<BenchResult> {
  const model = (await ModelRegistry.open(['public/models'])).get(MODEL);
  const stored = model.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const { layers, kvHeads, headDim } = model.manifest.shape;
  const kvBytes = layers * 2 * kvHeads * headDim * 4 * POSITIONS;
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await VolunteerTab.open(server.url);
  try {
    const blank = await blankTabBytes();
    const memory = watchMemory(tab);
    const cold = await clickToReady(tab);
    await ask(server.url, { promptIds: promptIds(POSITIONS - 64), maxTokens: 64 });
    const peak = (await memory.stop()) - blank;
    await tab.load(server.url);
    const warm = await clickToReady(tab);
    return {
      name: 'load',
      machine: machine(),
      figures: {
        'stored bytes of the shard, MB': (stored / 1e6).toFixed(1),
        'cold: click to ready, ms': cold.readyMs.toFixed(0),
        'cold: phases, ms': phases(cold),
        'cached: click to ready, ms': warm.readyMs.toFixed(0),
        'cached: phases, ms': phases(warm),
        'tab, MB above an empty tab': (peak / 1e6).toFixed(0),
      },
      bars: [
        atMost('network bytes of stored bytes, cold', cold.networkBytes / stored, {
          max: 1.02,
          unit: '×',
        }),
        atMost('network bytes, from the cache', warm.networkBytes, { max: 0, unit: 'bytes' }),
        atMost('memory of the tab', peak / MIB, {
          max: (1.25 * stored + kvBytes) / MIB + 80,
          unit: 'MiB',
        }),
        atMost('weights in the cache to ready', warm.loadMs, { max: 1500, unit: 'ms' }),
      ],
    };
  } finally {
    await tab.end();
    await server.stop();
  }
}

interface Loaded {
  readonly readyMs: number;
  /** From the first moment of loading to ready. */
  readonly loadMs: number;
  readonly networkBytes: number;
  readonly timeline: readonly { readonly phase: string; readonly atMs: number }[];
}

const phases = (loaded: Loaded): string =>
  loaded.timeline.map(({ phase, atMs }) => `${phase} ${atMs.toFixed(0)}`).join(', ');

async function clickToReady(tab: VolunteerTab): Promise<Loaded> {
  const startedAt = performance.now();
  await tab.contribute();
  const timeline: { phase: string; atMs: number }[] = [];
  for (;;) {
    const snapshot = await tab.snapshot();
    const atMs = performance.now() - startedAt;
    if (timeline.at(-1)?.phase !== snapshot.phase) timeline.push({ phase: snapshot.phase, atMs });
    if (['ready', 'serving', 'spare'].includes(snapshot.phase)) {
      const loading = timeline.find(({ phase }) => phase === 'loading')?.atMs ?? 0;
      return {
        readyMs: atMs,
        loadMs: atMs - loading,
        networkBytes: snapshot.bytesFromNetwork,
        timeline,
      };
    }
    if (atMs > 120_000) throw new Error(`not ready after 120 s: ${JSON.stringify(snapshot)}`);
  }
}

/** Peak of anonymous and shared memory of a renderer, sampled every 100 ms. */
function watchMemory(tab: VolunteerTab): { stop: () => Promise<number> } {
  let peak = 0;
  const state = { running: true };
  const loop = (async () => {
    while (state.running) {
      peak = Math.max(peak, await largestRenderer(tab));
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    async stop() {
      state.running = false;
      await loop;
      return peak;
    },
  };
}

async function blankTabBytes(): Promise<number> {
  const tab = await VolunteerTab.openBlank();
  try {
    return await largestRenderer(tab);
  } finally {
    await tab.end();
  }
}

/** The tab's renderer: beside it there may be a small one of the browser's own pages. */
async function largestRenderer(tab: VolunteerTab): Promise<number> {
  return Math.max(...(await tab.renderers()).map(pssBytes));
}

/** Pss_Anon + Pss_Shmem of /proc/PID/smaps_rollup. */
function pssBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return 1024 * (kib('Pss_Anon') + kib('Pss_Shmem'));
}
