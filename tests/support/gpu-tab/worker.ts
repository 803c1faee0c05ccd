import '../../contract/stage/stage.test.ts';
import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { findGpu } from '#lib/webgpu/gpu/find-gpu.ts';
import type { PartKey, StoredTensor, TensorName, WeightSource } from '#lib/webgpu/model.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { warmUp } from '#lib/webgpu/warm-up.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { greedyIds, loadRing, runRing, segmentFor } from '#tests/support/stages.ts';
import { buffersAlive, shadersMade, spoiled } from './made.ts';
import { engineNames, gpuFactory, openDevice } from './implementations.ts';
import { interleave } from './interleave.ts';
import type { Jobs, Order, Reply } from './jobs.ts';
import { decodePart } from './part-codec.ts';
import { PART_PATH } from './paths.ts';
import { runCases } from './runner.ts';

/** The thread with the GPU, as a volunteer's tab has it: stages, and nothing of networks. */
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage: (reply: Reply) => void;
};

let ring: Stage[] = [];

function weightsOf(model: string): WeightSource {
  return {
    async part(key: PartKey): Promise<ReadonlyMap<TensorName, StoredTensor>> {
      const response = await fetch(
        `${PART_PATH}${model}?${new URLSearchParams({ key }).toString()}`,
      );
      if (!response.ok) throw new Error(`${model}: ${key}: status ${response.status}`);
      return decodePart(new Uint8Array(await response.arrayBuffer()));
    },
  };
}

async function load({ model, shape, firsts, engine }: Jobs['load']['job']): Promise<null> {
  for (const stage of ring) stage.dispose();
  const source = { shape, weights: weightsOf(model) };
  const numerics = engine === 'gpu-webgpu-f16' ? 'int16' : 'exact';
  ring = await loadRing(await gpuFactory(engine), source, { numerics, firsts });
  return null;
}

/** Shaders that steps of so many rows need after warm-up, at the start of a session and within. */
async function compiled({ rows, sessions }: Jobs['compiled']['job']): Promise<number[]> {
  const stage = must(ring[0], 'a model is loaded');
  const made: number[] = [];
  const count = async (work: () => Promise<unknown>): Promise<void> => {
    const before = shadersMade.count;
    await work();
    made.push(shadersMade.count - before);
  };
  await count(() => warmUp(stage, 1));
  for (const each of rows) {
    await count(async () => {
      const kv = stage.openKv();
      const rows = { input: idsOf(each), want: { kind: 'none' } } as const;
      for (let i = 0; i < 2; i += 1) await stage.step([segmentFor(stage, kv, rows)]);
      stage.closeKv(kv);
    });
  }
  for (const each of sessions) {
    await count(async () => {
      const kvs = Array.from({ length: each }, () => stage.openKv());
      for (const want of [{ kind: 'logits' }, GREEDILY] as const) {
        await stage.step(kvs.map((kv) => segmentFor(stage, kv, { input: idsOf(1), want })));
      }
      for (const kv of kvs) stage.closeKv(kv);
    });
  }
  return made;
}

const GREEDILY = { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY } as const;

async function decode({ sessions, past, steps }: Jobs['decode']['job']): Promise<number> {
  const stage = must(ring[0], 'a model is loaded');
  const kvs = Array.from({ length: sessions }, () => stage.openKv());
  for (const kv of kvs) {
    await stage.step([segmentFor(stage, kv, { input: idsOf(past), want: { kind: 'none' } })]);
  }
  let best = Infinity;
  for (let i = 0; i <= steps; i += 1) {
    const started = performance.now();
    await stage.step(kvs.map((kv) => segmentFor(stage, kv, { input: idsOf(1), want: GREEDILY })));
    // The first brings sessions together.
    if (i > 0) best = Math.min(best, performance.now() - started);
  }
  for (const kv of kvs) stage.closeKv(kv);
  return best;
}

const idsOf = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

async function logits({ ids, positions }: Jobs['logits']['job']): Promise<number[][]> {
  const kvs = ring.map((stage) => stage.openKv());
  const rows = await runRing(ring, kvs, Int32Array.from(ids));
  ring.forEach((stage, i) => stage.closeKv(must(kvs[i], 'a cache for each stage')));
  const width = rows.length / ids.length;
  return positions.map((position) => [...rows.subarray(position * width, (position + 1) * width)]);
}

async function sessions({ count }: Jobs['sessions']['job']): Promise<Jobs['sessions']['result']> {
  const stage = must(ring[0], 'a model is loaded');
  const state = () => [stage.pagesFree(), stage.memoryBytes()] as const;
  const before = state();
  const buffers: number[] = [];
  for (let i = 1; i <= count; i += 1) {
    const rows = i % 10 === 0 ? 70 : 1;
    await logits({ ids: [...idsOf(rows)], positions: [] });
    if (i === count / 2 || i === count) buffers.push(buffersAlive.size);
  }
  const after = state();
  return {
    pagesFree: [before[0], after[0]],
    memoryBytes: [before[1], after[1]],
    buffers,
  };
}

async function lose({ ids, afterMs }: Jobs['lose']['job']): Promise<string[]> {
  const gpu = await openDevice();
  const step = logits({ ids, positions: [ids.length - 1] });
  const failed = codeOf(step);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  gpu.dispose();
  return [await failed, await codeOf(logits({ ids, positions: [] }))];
}

async function spoil({ what, ids }: Jobs['spoil']['job']): Promise<[string, number]> {
  const stage = must(ring[0], 'a model is loaded');
  const kv = stage.openKv();
  const want = { kind: 'none' } as const;
  spoiled[what] = true;
  const failed = codeOf(stage.step([segmentFor(stage, kv, { input: Int32Array.from(ids), want })]));
  const code = await failed.finally(() => (spoiled[what] = false));
  const length = stage.kvLength(kv);
  stage.closeKv(kv);
  return [code, length];
}

async function refusal({ shape }: Jobs['refusal']['job']): Promise<string> {
  const weights = syntheticWeights(shape, () => 'F32');
  const factory = await gpuFactory();
  return codeOf(loadRing(factory, { shape, weights }, { numerics: 'exact', firsts: [0] }));
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof FaultError ? error.code : String(error)),
  );

function work(order: Order): Promise<unknown> {
  switch (order.name) {
    case 'adapter':
      return findGpu();
    case 'engines':
      return engineNames();
    case 'suite':
      return runCases(new RegExp(order.only));
    case 'load':
      return load(order);
    case 'logits':
      return logits(order);
    case 'greedy':
      return greedyIds(must(ring[0], 'a model is loaded'), order.ids, order.count);
    case 'interleave':
      return gpuFactory().then((factory) => interleave(factory, order.seeds));
    case 'compiled':
      return compiled(order);
    case 'decode':
      return decode(order);
    case 'sessions':
      return sessions(order);
    case 'lose':
      return lose(order);
    case 'spoil':
      return spoil(order);
    case 'refusal':
      return refusal(order);
  }
}

scope.onmessage = ({ data }) => {
  work(data).then(
    (result) => {
      scope.postMessage({ result });
    },
    (error: unknown) => {
      scope.postMessage({ error: wordsOf(error) });
    },
  );
};

/** A fault's message, and what it came from. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error was thrown';
  return error.cause === undefined ? error.message : `${error.message}: ${wordsOf(error.cause)}`;
}
