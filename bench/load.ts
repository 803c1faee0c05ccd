import { TestServer } from '#tests/support/server.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { atMost, machine, type BenchResult } from './result.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';

const MODEL = 'smollm2-135m-instruct' as ModelId;
/** The page is asked this often, and rests in between: it shares the processor with the tab. */
const POLL_MS = 10;
/** Visits with the weights in the cache; the median counts, each is printed. */
const VISITS = 3;

/** Click to ready, cold and from the cache, and what the network gave. */
export async function run(): Promise<BenchResult> {
  const model = (await ModelRegistry.open(['public/models'])).get(MODEL);
  const stored = model.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await PlainTab.open(`${server.url}/volunteer`);
  try {
    const cold = await clickToReady(tab);
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
      },
      bars: [
        atMost('network bytes of stored bytes, cold', cold.networkBytes / stored, {
          max: 1.02,
          unit: '×',
        }),
        atMost('network bytes, from the cache', warm.networkBytes, { max: 0, unit: 'bytes' }),
        atMost('weights in the cache to ready', warm.loadMs, { max: 500, unit: 'ms' }),
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
