import { must } from '#lib/kernel/assert.ts';
import { MIB } from '#lib/kernel/units.ts';
import type { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import type { GpuEngineName } from '#lib/webgpu/model.ts';
import { argmax } from '#lib/webgpu/sampling/sample.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { Stage, Want } from '#lib/webgpu/stage.ts';

const PROMPT = 128;
const STEPS = 64;
const ROUNDS = 5;

export interface Times {
  /** Median of a step of one token at past 128 and more. */
  readonly decodeMs: number;
  /** Best of a prompt of 128 tokens. */
  readonly prefillMs: number;
}

export interface GpuMeasured {
  readonly gpu: Times;
  readonly cpu: Times;
  /** What it computed in. */
  readonly engine: GpuEngineName;
  /** A step of eight and of sixteen sessions. */
  readonly batchMs: readonly [eight: number, sixteen: number];
  readonly bandwidthBytesPerMs: number;
  /** Weights and KV that a token reads. */
  readonly bytesPerToken: number;
  /** Of 128 rows, how many have the same best id; and the worst logit, of the largest. */
  readonly top1: number;
  readonly worstLogit: number;
}

const ids = (count: number, seed: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7919 + seed * 104_729) % 49_152);

export async function timesOf(stage: Stage): Promise<Times> {
  const sample: Want = { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY };
  const decodes: number[] = [];
  let prefillMs = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const kv = stage.openKv();
    const step = async (input: Int32Array): Promise<number> => {
      const started = performance.now();
      const at = { kv, firstPosition: stage.kvLength(kv), rows: input.length };
      await stage.step([{ ...at, ids: input, hidden: null, want: sample }]);
      return performance.now() - started;
    };
    prefillMs = Math.min(prefillMs, await step(ids(PROMPT, round)));
    for (let i = 0; i < STEPS; i += 1) {
      const ms = await step(ids(1, i));
      if (round > 0) decodes.push(ms); // the first warms up
    }
    stage.closeKv(kv);
  }
  decodes.sort((a, b) => a - b);
  return { decodeMs: must(decodes[decodes.length >> 1], 'a step'), prefillMs };
}

/** Median of a step of a token each of so many sessions, at past 128 and more. */
export async function batchMs(stage: Stage, sessions: number): Promise<number> {
  const sample: Want = { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY };
  const kvs = Array.from({ length: sessions }, () => stage.openKv());
  const segment = (kv: number, input: Int32Array, want: Want) => {
    const at = { kv, firstPosition: stage.kvLength(kv), rows: input.length };
    return { ...at, ids: input, hidden: null, want };
  };
  for (const kv of kvs) await stage.step([segment(kv, ids(PROMPT, kv), { kind: 'none' })]);
  const times: number[] = [];
  for (let i = 0; i < STEPS; i += 1) {
    const started = performance.now();
    await stage.step(kvs.map((kv) => segment(kv, ids(1, i), sample)));
    times.push(performance.now() - started);
  }
  for (const kv of kvs) stage.closeKv(kv);
  times.sort((a, b) => a - b);
  return must(times[times.length >> 1], 'a step');
}

/** The same 128 rows on both: the GPU against fp32 activations on the processor. */
export async function compareLogits(
  gpu: Stage,
  exact: Stage,
): Promise<Pick<GpuMeasured, 'top1' | 'worstLogit'>> {
  const [given, right] = [await logitsOf(gpu), await logitsOf(exact)];
  const { vocab } = gpu.shape;
  let [top1, worst, largest] = [0, 0, 0];
  for (let row = 0; row < PROMPT; row += 1) {
    const a = given.subarray(row * vocab, (row + 1) * vocab);
    const b = right.subarray(row * vocab, (row + 1) * vocab);
    if (argmax(a) === argmax(b)) top1 += 1;
    b.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value - (a[i] ?? NaN)));
      largest = Math.max(largest, Math.abs(value));
    });
  }
  return { top1, worstLogit: worst / largest };
}

async function logitsOf(stage: Stage): Promise<Float32Array> {
  const kv = stage.openKv();
  const at = { kv, firstPosition: 0, rows: PROMPT, ids: ids(PROMPT, 1), hidden: null };
  const [result] = await stage.step([{ ...at, want: { kind: 'logits' } }]);
  stage.closeKv(kv);
  return must(result?.logits, 'logits');
}

/** Bytes that a copy reads and writes a millisecond: the limit of what decoding can read. */
export async function copyBandwidth({ device }: GpuDevice): Promise<number> {
  const size = 256 * MIB;
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [from, to] = [device.createBuffer({ size, usage }), device.createBuffer({ size, usage })];
  const copies = 16;
  let best = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < copies; i += 1) encoder.copyBufferToBuffer(from, 0, to, 0, size);
    const started = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    best = Math.max(best, (2 * copies * size) / (performance.now() - started));
  }
  from.destroy();
  to.destroy();
  return best;
}
