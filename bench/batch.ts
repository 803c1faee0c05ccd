import { fileURLToPath } from 'node:url';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { NUMERICS } from '#lib/webgpu/model.ts';
import { measureBatch, type BatchRate } from './batch/measure.ts';
import { measureInTab, type NumericsRates } from './batch/tab.ts';
import { atLeast, machine, median, type Bar, type BenchResult } from './result.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
/** The gain in tokens/s that 16 sessions must bring over one. */
const GAINS_MIN = [
  { past: 128, min: 1.6 },
  { past: 1000, min: 1.3 },
] as const;

/** Tokens/s of one stage of all layers by sessions and past, both numerics, in a tab and in Node. */
export async function run(): Promise<BenchResult> {
  const tab = await measureInTab(MODEL);
  const results = [
    { where: 'tab', all: tab.rates },
    { where: 'Node', all: await measureInNode() },
  ];
  const figures: Record<string, number | string> = { Chromium: tab.version };
  const bars: Bar[] = [];
  for (const { where, all } of results) {
    for (const { numerics, rates } of all) {
      for (const { past, sessions, stepsMs } of rates) {
        const name = `${where}, ${numerics}, past ${past}, ${sessions} sessions, tok/s`;
        figures[name] = Number(((1000 * sessions) / median(stepsMs)).toFixed(1));
      }
      bars.push(...barsOf(`${where}, ${numerics}`, rates));
    }
  }
  return { name: 'batch', machine: machine(), figures, bars };
}

async function measureInNode(): Promise<NumericsRates[]> {
  const { manifest, weights } = await openPackageFolder(MODEL);
  const module = await loadKernels();
  const all: NumericsRates[] = [];
  for (const numerics of NUMERICS) {
    const rates = await measureBatch({ module, shape: manifest.shape, weights, numerics });
    all.push({ numerics, rates });
  }
  return all;
}

function barsOf(what: string, rates: readonly BatchRate[]): Bar[] {
  const stepMs = (past: number, sessions: number) =>
    median(rates.find((rate) => rate.past === past && rate.sessions === sessions)?.stepsMs ?? []);
  return GAINS_MIN.map(({ past, min }) => {
    const gain = (16 * stepMs(past, 1)) / stepMs(past, 16);
    return atLeast(`${what}: tokens/s of 16 sessions at past ${past} over one`, gain, {
      min,
      unit: '×',
    });
  });
}
