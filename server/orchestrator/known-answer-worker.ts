import { join } from 'node:path';
import { workerData, type MessagePort } from 'node:worker_threads';
import { MIB } from '#lib/kernel/units.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import { knownAnswer } from '#lib/webgpu/known-answer.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { JobPort } from '#lib/webgpu/worker/protocol.ts';
import { serveJobs } from '#lib/webgpu/worker/serve-jobs.ts';
import { neverFetch } from '#lib/shard/package/fetch-chunks.ts';
import { CHUNKS_FOLDER } from '#lib/shard/package/import/importer.ts';
import { fsChunkStore, readManifest } from '#lib/shard/package/server.ts';
import { storedWeights } from '#lib/shard/package/stored-weights.ts';

/** Recomputes known answers in a thread of its own: the server's event loop never waits (M7). */

/** `type`, not `interface`: a job table needs an index signature. */
export type CheckerJobs = {
  readonly recompute: { readonly args: RecomputeArgs; readonly result: KnownAnswer };
};

export interface RecomputeArgs {
  /** Folder of the model's package. */
  readonly folder: string;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly seed: number;
  readonly rows: number;
}

/** A known answer has at most 64 rows: one page of KV is plenty. */
const KV_BYTES_MAX = 64 * MIB;

/** Weights are read, checked by hash, and freed with the stage. */
async function recompute({ folder, ...question }: RecomputeArgs): Promise<KnownAnswer> {
  const { range, numerics, seed, rows } = question;
  const [module, manifest] = await Promise.all([loadKernels(), readManifest(folder)]);
  const store = fsChunkStore(join(folder, CHUNKS_FOLDER));
  const stage = await cpuStageFactory(module)({
    shape: manifest.shape,
    range,
    numerics,
    kvBytesMax: KV_BYTES_MAX,
    weights: storedWeights(manifest, { store, fetchChunk: neverFetch }),
  });
  try {
    return await knownAnswer(stage, seed, rows);
  } finally {
    stage.dispose();
  }
}

const { port } = workerData as { readonly port: MessagePort };
serveJobs(port as unknown as JobPort, { recompute });
