import { fileURLToPath } from 'node:url';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { cpuStageFactory, kvPageBytes } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { NUMERICS, type Numerics } from '#lib/webgpu/model.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { Segment, Stage } from '#lib/webgpu/stage.ts';
import { atLeast, machine, median, type Bar, type BenchResult } from './result.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const SESSIONS = [1, 4, 16] as const;
/** Positions already there, and the gain that 16 sessions must bring over one. */
const PASTS = [
  { past: 128, gainMin: 1.5 },
  { past: 1000, gainMin: 1.15 },
] as const;
/** Steps timed for each count of sessions, in turns, so that a busy machine slows all alike. */
const TURNS = 7;

/** Tokens/s of one stage of all layers at 1, 4 and 16 sessions, both numerics. */
export async function run(): Promise<BenchResult> {
  const figures: Record<string, number | string> = {};
  const bars: Bar[] = [];
  for (const numerics of NUMERICS) {
    const stage = await loadStage(numerics);
    for (const { past, gainMin } of PASTS) {
      const rates = await ratesAt(stage, past);
      rates.forEach((rate, i) => {
        const name = `${numerics}, past ${past}, ${SESSIONS[i] ?? 0} sessions, tok/s`;
        figures[name] = Number(rate.toFixed(1));
      });
      const gain = (rates.at(-1) ?? 0) / (rates[0] ?? 1);
      const what = `${numerics}: tokens/s of 16 sessions at past ${past} over one`;
      bars.push(atLeast(what, gain, { min: gainMin, unit: '×' }));
    }
    stage.dispose();
  }
  return { name: 'batch', machine: machine(), figures, bars };
}

async function loadStage(numerics: Numerics): Promise<Stage> {
  const { manifest, weights } = await openPackageFolder(MODEL);
  const { shape } = manifest;
  const range = { first: 0, last: shape.layers - 1 };
  const positions = Math.max(...SESSIONS) * 1100;
  const kvBytesMax = kvPageBytes(shape, range) * Math.ceil(positions / 32);
  return cpuStageFactory(await loadKernels())({ shape, range, numerics, kvBytesMax, weights });
}

/** Tokens/s for each count of `SESSIONS`. */
async function ratesAt(stage: Stage, past: number): Promise<number[]> {
  const kvs = Array.from({ length: Math.max(...SESSIONS) }, () => stage.openKv());
  for (const kv of kvs) await fill(stage, kv, past);
  const samples = SESSIONS.map((): number[] => []);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [i, sessions] of SESSIONS.entries()) {
      const ms = await decodeMs(stage, kvs.slice(0, sessions), past);
      if (turn > 0) samples[i]?.push((1000 * sessions) / ms); // the first warms up
    }
  }
  for (const kv of kvs) stage.closeKv(kv);
  return samples.map(median);
}

async function fill(stage: Stage, kv: number, past: number): Promise<void> {
  const ids = Int32Array.from({ length: past }, (_, i) => 100 + (i % 1000));
  const rest = { hidden: null, want: { kind: 'none' } } as const;
  await stage.step([{ kv, firstPosition: 0, rows: past, ids, ...rest }]);
}

async function decodeMs(stage: Stage, kvs: readonly number[], past: number): Promise<number> {
  const segments = kvs.map((kv, i): Segment => {
    stage.truncateKv(kv, past);
    const want = { kind: 'sample', params: GREEDY, index: 0 } as const;
    return { kv, firstPosition: past, rows: 1, ids: Int32Array.of(200 + i), hidden: null, want };
  });
  const started = performance.now();
  await stage.step(segments);
  return performance.now() - started;
}
