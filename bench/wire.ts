import { must } from '#lib/kernel/assert.ts';
import { readValues, rowBytes, writeValues } from '#lib/shard/wire/row-values.ts';
import { WIRE_DTYPES, type WireDtype } from '#lib/shard/wire/session-messages.ts';
import type { Stage, Want } from '#lib/webgpu/stage.ts';
import { openPackageFolder } from '#lib/shard/package/server.ts';
import { EMBEDDED, makeRing, TWO_PLACES } from '#tests/support/drafted-ring.ts';
import { cpuFactory } from '#tests/support/engine.ts';
import { goldenRow, goldenRows, type GoldenRow } from '#tests/support/golden.ts';
import { everyRow, loadRing, segmentFor } from '#tests/support/stages.ts';
import { atMost, machine, type BenchResult } from './result.ts';

/** One megabyte a second, each way. */
const LINK_BYTES_PER_MS = 1000;
const LONG_ROW = 'long1000';
const NARROW = WIRE_DTYPES.filter((dtype) => dtype !== 'f32');

/**
 * Rows between two places as fp32, in halves and in bytes: the first token of a prompt of 1 000 tokens
 * over a slow link, and what the rounding does to logits and greedy ids of the golden rows.
 */
export async function run(): Promise<BenchResult> {
  const firstMs = new Map<WireDtype, number>();
  for (const dtype of WIRE_DTYPES) firstMs.set(dtype, await firstTokenMs(dtype));
  const whole = must(firstMs.get('f32'), 'a time each');
  const figures: Record<string, string> = {
    [`${LONG_ROW}, a link of 1 MB/s, first token ms`]: WIRE_DTYPES.map(
      (dtype) => `${dtype} ${must(firstMs.get(dtype), 'a time each').toFixed(0)}`,
    ).join(', '),
  };
  for (const dtype of NARROW) {
    const { differing, rows } = await sameIds(dtype);
    figures[`${dtype}, golden rows with other greedy ids`] =
      `${differing.length} of ${rows}${differing.length > 0 ? `: ${differing.join(', ')}` : ''}`;
  }
  for (const [dtype, error] of await logitErrors()) {
    figures[`${dtype}, largest logit error over the largest logit`] = error.toExponential(1);
  }
  const bars = NARROW.map((dtype) =>
    atMost(`first token over a slow link, ${dtype} over f32`, (firstMs.get(dtype) ?? NaN) / whole, {
      max: 0.99,
      unit: '×',
    }),
  );
  return { name: 'wire', machine: machine(), figures, bars };
}

async function firstTokenMs(wireDtype: WireDtype): Promise<number> {
  const ring = await makeRing(TWO_PLACES, { wireDtype, linkBytesPerMs: LINK_BYTES_PER_MS });
  try {
    const { promptIds } = goldenRow('capital');
    await ring.answer({ promptIds, maxTokens: 2 });
    const startedAt = performance.now();
    await ring.answer({ promptIds: goldenRow(LONG_ROW).promptIds, maxTokens: 1 });
    return performance.now() - startedAt;
  } finally {
    ring.end();
  }
}

async function sameIds(wireDtype: WireDtype) {
  const ring = await makeRing(TWO_PLACES, { wireDtype });
  try {
    const differing: string[] = [];
    const rows = goldenRows();
    for (const { name, promptIds, greedyIds } of rows) {
      const ids = await ring.answer({ promptIds, maxTokens: greedyIds.length });
      const at = greedyIds.findIndex((id, i) => id !== ids[i]);
      if (at >= 0) differing.push(`${name} from ${at}`);
    }
    return { differing, rows: rows.length };
  } finally {
    ring.end();
  }
}

/** Of the rows that ids are sampled from, with the golden ids as what was said before. */
async function logitErrors(): Promise<Map<WireDtype, number>> {
  const { manifest, weights } = await openPackageFolder(EMBEDDED);
  const model = { shape: manifest.shape, weights };
  const firsts = TWO_PLACES.map(({ first }) => first);
  const stages = await loadRing(await cpuFactory(), model, { numerics: 'int16', firsts });
  const errors = new Map<WireDtype, number>();
  for (const row of goldenRows().filter(({ promptIds }) => promptIds.length < 400)) {
    const exact = await logitsOf(stages, row, 'f32');
    const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const dtype of NARROW) {
      const logits = await logitsOf(stages, row, dtype);
      const error = logits.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - exact[i]!)),
        0,
      );
      errors.set(dtype, Math.max(errors.get(dtype) ?? 0, error / largest));
    }
  }
  return errors;
}

async function logitsOf(stages: readonly Stage[], row: GoldenRow, dtype: WireDtype) {
  const [first, last] = [must(stages[0], 'two places'), must(stages[1], 'two places')];
  const kvs = [first.openKv(), last.openKv()] as const;
  const ids = Int32Array.from([...row.promptIds, ...row.greedyIds.slice(0, -1)]);
  const { hidden: width } = first.shape;
  const prompt = row.promptIds.length - 1;
  const hidden = must((await step(first, kvs[0], { input: ids })).hidden, 'rows come out');
  const answer = dtype === 'int8' ? 'f16' : dtype;
  const said = through(hidden.subarray(prompt * width), width, answer);
  const read = through(hidden.subarray(0, prompt * width), width, dtype);
  await step(last, kvs[1], { input: read, want: { kind: 'none' } });
  const logits = must((await step(last, kvs[1], { input: said })).logits, 'logits come out');
  first.closeKv(kvs[0]);
  last.closeKv(kvs[1]);
  return logits;
}

async function step(
  stage: Stage,
  kv: number,
  rows: { readonly input: Int32Array | Float32Array; readonly want?: Want },
) {
  const [result] = await stage.step([segmentFor(stage, kv, { want: everyRow(stage), ...rows })]);
  return must(result, 'a result a segment');
}

/** As a reader gets them at the other end of a link. */
function through(rows: Float32Array, width: number, dtype: WireDtype): Float32Array {
  const payload = new Uint8Array((rows.length / width) * rowBytes(width, dtype));
  writeValues(payload, rows, { width, dtype });
  const read = readValues(payload, { width, dtype });
  if (typeof read === 'string') throw new Error(read);
  return read;
}
