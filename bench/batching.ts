import { fileURLToPath } from 'node:url';
import { manifestHash } from '#lib/shard/package/manifest.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { storedTypes } from '#lib/shard/stage/stored-types.ts';
import { chunkRowsFor } from '#lib/shard/placement/costs.ts';
import { measureSpeed } from '#lib/webgpu/capability/measure.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { HostRing } from '#tests/support/host-ring.ts';
import { promptIds } from './prompt.ts';
import { atMost, machine, median, type BenchResult } from './result.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
/** KV of both answers at their longest, and room to spare. */
const KV_BYTES_MAX = 400e6;
const LONG_PROMPT = 3000;
/** The running answer: its prompt, its tokens before the other prompt comes, and its most tokens. */
const RUNNING = { prompt: 64, before: 64, most: 4000 } as const;
/** Each: the long prompt alone, then beside a running answer. */
const ROUNDS = 2;

/** A prompt of 3 000 tokens beside a running answer, on one host of all layers. */
export async function run(): Promise<BenchResult> {
  const { ring, chunkRows } = await oneHost();
  try {
    await ring.answer({ promptIds: promptIds(RUNNING.prompt), maxTokens: 8 });
    const alone: number[] = [];
    const beside: Beside[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await firstTokenMs(ring));
      beside.push(await besideAnswer(ring));
    }
    return resultOf(alone, beside, chunkRows);
  } finally {
    ring.end();
  }
}

function resultOf(alone: number[], beside: readonly Beside[], chunkRows: number): BenchResult {
  const pureMs = median(beside.flatMap(({ pure }) => pure));
  const waits = beside.flatMap((each) => each.waits).sort((a, b) => a - b);
  const allowedMs = Math.max(1.5 * pureMs, pureMs + 40);
  const worst = waits.at(-1) ?? Number.NaN;
  const ttft = median(beside.map(({ ttftMs }) => ttftMs));
  return {
    name: 'batching',
    machine: machine(),
    figures: {
      'rows of a chunk alone': chunkRows,
      'decode step alone p50, ms': pureMs.toFixed(1),
      'tokens while the prompt was read': waits.length,
      'their waits p50, p99, longest, ms': [0.5, 0.99, 1]
        .map((share) => (waits[Math.ceil(share * waits.length) - 1] ?? Number.NaN).toFixed(1))
        .join(', '),
      'first token of the prompt alone, s': (median(alone) / 1000).toFixed(1),
      'first token beside the answer, s': (ttft / 1000).toFixed(1),
    },
    bars: [
      atMost('longest wait of the running answer', worst, { max: allowedMs, unit: 'ms' }),
      atMost('first token beside the answer, of alone', ttft / median(alone), {
        max: 1.6,
        unit: '×',
      }),
    ],
  };
}

async function oneHost(): Promise<{ ring: HostRing; chunkRows: number }> {
  const { manifest, weights } = await openPackageFolder(MODEL);
  const { shape } = manifest;
  const factory = cpuStageFactory(await loadKernels());
  const range = { first: 0, last: shape.layers - 1 };
  const speed = {
    ...(await measureSpeed(factory, { shape, typeOf: storedTypes(manifest) })),
    slowdown: 1,
  };
  const chunkRows = chunkRowsFor(shape, [{ speed, range }]);
  const ring = new HostRing({
    ...{ hash: manifestHash(manifest), ranges: [range], numerics: 'int16', chunkRows },
    load: (order) =>
      factory({
        ...{ shape, range: order.range, numerics: order.numerics },
        ...{ kvBytesMax: KV_BYTES_MAX, weights },
      }),
  });
  return { ring, chunkRows };
}

const longPrompt = (): number[] => {
  const ids = promptIds(1000);
  return Array.from({ length: LONG_PROMPT }, (_, at) => ids[at % ids.length] ?? 0);
};

async function firstTokenMs(ring: HostRing): Promise<number> {
  const startedAt = performance.now();
  await ring.answer({ promptIds: longPrompt(), maxTokens: 1 });
  return performance.now() - startedAt;
}

interface Beside {
  /** Times between tokens before the prompt came, and while it was read. */
  readonly pure: readonly number[];
  readonly waits: readonly number[];
  readonly ttftMs: number;
}

function besideAnswer(ring: HostRing): Promise<Beside> {
  return new Promise((resolve, reject) => {
    const arrivals: number[] = [];
    let ttftMs = 0;
    const onToken: Parameters<HostRing['answer']>[0]['onToken'] = (count, feed) => {
      arrivals.push(performance.now());
      if (ttftMs > 0) {
        feed({ type: 'cancel' });
        const gaps = arrivals.slice(1).map((at, i) => at - (arrivals[i] ?? at));
        const pure = gaps.slice(RUNNING.before >> 1, RUNNING.before - 1);
        // The last came with the prompt's own first token.
        resolve({ pure, waits: gaps.slice(RUNNING.before - 1, -1), ttftMs });
      } else if (count === RUNNING.before) {
        firstTokenMs(ring).then((ms) => (ttftMs = ms), reject);
      }
    };
    const job = { promptIds: promptIds(RUNNING.prompt), maxTokens: RUNNING.most, onToken };
    // It ends by being cancelled.
    ring.answer(job).catch(() => undefined);
  });
}
