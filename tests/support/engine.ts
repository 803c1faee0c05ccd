import { concatBytes } from '#lib/kernel/bytes.ts';
import { invariant, must } from '#lib/kernel/assert.ts';
import { openSource } from '#lib/shard/package/import/open-source.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels, startHelper } from '#lib/webgpu/cpu/server.ts';
import type { PartKey, StoredTensor, TensorName } from '#lib/webgpu/model.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import type { Model } from './stages.ts';

export {
  everyRow,
  firstDifference,
  greedyIds,
  loadRing,
  loadStage,
  runRing,
  segmentFor,
  type LoadOptions,
  type Model,
} from './stages.ts';

/** A model of a file or folder, read straight from its source into memory. */
export async function openModel(path: string): Promise<Model> {
  const source = await openSource(path);
  const parts = new Map<PartKey, Map<TensorName, StoredTensor>>();
  for (const part of source.parts) {
    const tensors = new Map<TensorName, StoredTensor>();
    for (const tensor of part.tensors) {
      const { name, type, rows, cols } = tensor;
      const pieces: Uint8Array[] = [];
      for await (const piece of tensor.read()) pieces.push(piece.slice());
      tensors.set(name, { type, rows, cols, bytes: concatBytes(pieces) });
    }
    parts.set(part.key, tensors);
  }
  await source.close();
  const weights = { part: (key: PartKey) => Promise.resolve(must(parts.get(key), key)) };
  return { shape: source.shape, weights };
}

/** CPU stages of so many threads; the build for one where it is one. */
export async function cpuFactory(threads = 1): Promise<StageFactory> {
  if (threads === 1) return cpuStageFactory(await loadKernels());
  return cpuStageFactory(await loadKernels('threads'), {
    count: threads,
    start: startHelper,
    onThreads: (count) => invariant(count === threads, `${threads} threads joined`),
  });
}
