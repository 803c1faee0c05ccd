import { FaultError } from '#lib/kernel/errors.ts';
import { freeBytes } from '#lib/webgpu/free-bytes.ts';
import type { PartKey, StoredTensor, TensorName, WeightSource } from '#lib/webgpu/model.ts';
import { readAhead } from '#lib/webgpu/read-ahead.ts';
import { readVerified, type ChunkReader } from './fetch-chunks.ts';
import { FETCH } from './limits.ts';
import { chunkRefs, partOf, type ChunkRef, type Manifest } from './manifest.ts';

/**
 * Weights from a store. Every chunk's hash is checked at each load; a missing or corrupt one is
 * fetched again. Tensors are views into one buffer a part, aligned to 64 bytes, until its release.
 */
export function storedWeights(
  manifest: Manifest,
  options: Omit<ChunkReader, 'model'>,
): WeightSource {
  const held = new Map<PartKey, Uint8Array<ArrayBuffer>>();
  return {
    async part(key) {
      const part = partOf(manifest, key);
      const bytes = await joinChunks(chunkRefs(part), { ...options, model: manifest.id });
      held.set(key, bytes);
      const tensors = new Map<TensorName, StoredTensor>();
      for (const { name, type, rows, cols, offset, bytes: length } of part.tensors) {
        const view = bytes.subarray(offset, offset + length);
        tensors.set(name as TensorName, { type, rows, cols, bytes: view });
      }
      return tensors;
    },
    release(key) {
      const bytes = held.get(key);
      if (!bytes) return;
      held.delete(key);
      // A part of one chunk lies in that chunk's buffer, a longer one in one of its own.
      if (chunkRefs(partOf(manifest, key)).length === 1) options.buffers?.give(bytes);
      else freeBytes(bytes);
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
  const [only, ...others] = refs;
  if (only && others.length === 0) return readVerified(only, reader);
  const bytes = allocate(refs.reduce((sum, ref) => sum + ref.bytes, 0));
  const read = (ref: ChunkRef) => readVerified(ref, reader);
  let at = 0;
  for await (const chunk of readAhead(refs, FETCH.readAheadMax, read)) {
    bytes.set(chunk, at);
    at += chunk.length;
    reader.buffers?.give(chunk);
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
