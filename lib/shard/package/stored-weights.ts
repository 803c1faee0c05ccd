import { FaultError } from '#lib/kernel/errors.ts';
import type { StoredTensor, TensorName, WeightSource } from '#lib/webgpu/model.ts';
import { readVerified, type ChunkReader } from './fetch-chunks.ts';
import { chunkRefs, partOf, type ChunkRef, type Manifest } from './manifest.ts';

/**
 * Weights from a store. Every chunk's hash is checked at each load; a missing or corrupt one is
 * fetched again. Tensors are views into one buffer a part, aligned to 64 bytes.
 */
export function storedWeights(
  manifest: Manifest,
  options: Omit<ChunkReader, 'model'>,
): WeightSource {
  return {
    async part(key) {
      const part = partOf(manifest, key);
      const bytes = await joinChunks(chunkRefs(part), { ...options, model: manifest.id });
      const tensors = new Map<TensorName, StoredTensor>();
      for (const { name, type, rows, cols, offset, bytes: length } of part.tensors) {
        const view = bytes.subarray(offset, offset + length);
        tensors.set(name as TensorName, { type, rows, cols, bytes: view });
      }
      return tensors;
    },
  };
}

/** The tokenizer's bytes, verified as weights are. */
export const storedTokenizerBytes = (
  manifest: Manifest,
  options: Omit<ChunkReader, 'model'>,
): Promise<Uint8Array<ArrayBuffer>> =>
  joinChunks(chunkRefs(manifest.tokenizer), { ...options, model: manifest.id });

async function joinChunks(
  refs: readonly ChunkRef[],
  reader: ChunkReader,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(refs.reduce((sum, ref) => sum + ref.bytes, 0));
  let at = 0;
  for (const ref of refs) {
    bytes.set(await readVerified(ref, reader), at);
    at += ref.bytes;
  }
  return bytes;
}

function allocate(length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    const message = `no memory for a part of ${length} bytes`;
    throw new FaultError('engine/out-of-memory', message, { cause });
  }
}
