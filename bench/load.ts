import { readFileSync } from 'node:fs';
import { TestServer } from '#tests/support/server.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { MIB } from '#lib/kernel/units.ts';
import { atMost, machine, type BenchResult } from './result.ts';
import { ask } from '#tests/support/answer.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';
import { promptIds } from './prompt.ts';

const MODEL = 'smollm2-135m-instruct' as ModelId;
const POSITIONS = 192;
const SAMPLE_MS = 100;
/** The page is asked this often, and rests in between: it shares the processor with the tab. */
const POLL_MS = 10;
/** Visits with the weights in the cache; the median counts, each is printed. */
const VISITS = 3;

/** Click to ready, cold and from the cache; what the network gave; what a tab holds. */
export async function run(): Promise<BenchResult> {
  const model = (await ModelRegistry.open(['public/models'])).get(MODEL);
  const stored = model.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const { layers, kvHeads, headDim } = model.manifest.shape;
  const kvBytes = layers * 2 * kvHeads * headDim * 4 * POSITIONS;
  const server = await TestServer.start(['--no-seed-volunteer']);
  const blank = await blankTabBytes();
  const tab = await PlainTab.open(`${server.url}/volunteer`);
  try {
    const memory = watchMemory(tab);
    const cold = await clickToReady(tab);
    await ask(server.url, { promptIds: promptIds(POSITIONS - 64), maxTokens: 64 });
    const peak = (await memory.stop()) - blank;
    const visits = await visitAgain(tab);
    const warm = visits.toSorted((a, b) => a.loadMs - b.loadMs)[Math.floor(VISITS / 2)] ?? cold;
    return {
      name: 'load',
      machine: machine(),
      figures: {
        'stored bytes of the shard, MB': (stored / 1e6).toFixed(1),
        'cold: click to ready, ms': cold.readyMs.toFixed(0),
        'cold: phases, ms': phases(cold),
        'cached: click to ready, ms': warm.readyMs.toFixed(0),
        'cached: phases, ms': phases(warm),
        'cached: loading to ready, each visit, ms': visits
          .map(({ loadMs }) => loadMs.toFixed(0))
          .join(', '),
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

async function visitAgain(tab: PlainTab): Promise<Loaded[]> {
  const visits: Loaded[] = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    await tab.reload();
    visits.push(await clickToReady(tab));
  }
  return visits;
}

async function clickToReady(tab: PlainTab): Promise<Loaded> {
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
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (atMs > 120_000) throw new Error(`not ready after 120 s: ${JSON.stringify(snapshot)}`);
  }
}

/** Peak of anonymous and shared memory of a renderer, sampled every 100 ms. */
function watchMemory(tab: PlainTab): { stop: () => Promise<number> } {
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
  const tab = await PlainTab.open('about:blank');
  try {
    return await largestRenderer(tab);
  } finally {
    await tab.end();
  }
}

/** The tab's renderer: beside it there may be a small one of the browser's own pages. */
async function largestRenderer(tab: PlainTab): Promise<number> {
  return Math.max(...(await tab.renderers()).map(pssBytes));
}

/** Pss_Anon + Pss_Shmem of /proc/PID/smaps_rollup. */
function pssBytes(pid: number): number {
  const text = readRollup(pid);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return 1024 * (kib('Pss_Anon') + kib('Pss_Shmem'));
}

/** Empty where the process has ended since it was listed. */
function readRollup(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
}
