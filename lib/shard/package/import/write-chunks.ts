import { sha256HexFast } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import { PACKAGE } from '../limits.ts';
import { equalBytes } from '../equal-bytes.ts';
import type { ChunkRef, ManifestTensor } from '../manifest.ts';
import type { ChunkStore } from '../store/chunk-store.ts';
import { throwIfAborted, type OnBytes } from './byte-file.ts';
import type { SourceTensor } from './source.ts';

export interface ChunkTarget {
  readonly store: ChunkStore;
  readonly model: ModelId;
  readonly onBytes: OnBytes;
  readonly signal?: AbortSignal | undefined;
}

/** A part's bytes: its tensors at their places, with zeros between. */
export async function* partBytes(
  tensors: readonly SourceTensor[],
  placed: readonly ManifestTensor[],
): AsyncGenerator<Uint8Array> {
  let end = 0;
  for (const [index, tensor] of tensors.entries()) {
    const start = placed[index]?.offset ?? end;
    yield new Uint8Array(start - end);
    end = start;
    for await (const piece of tensor.read()) {
      yield piece;
      end += piece.length;
    }
  }
}

/** Cuts `bytes` bytes of a stream into chunks of the largest size and stores those not there. */
export async function writeChunks(
  stream: AsyncIterable<Uint8Array>,
  bytes: number,
  target: ChunkTarget,
): Promise<ChunkRef[]> {
  const refs: ChunkRef[] = [];
  let left = bytes;
  let chunk = new Uint8Array(Math.min(left, PACKAGE.chunkBytesMax));
  let filled = 0;
  for await (const piece of stream) {
    for (let at = 0; at < piece.length;) {
      const take = Math.min(piece.length - at, chunk.length - filled);
      if (take === 0)
        throw new FaultError('package/malformed', 'a tensor is longer than it claims');
      chunk.set(piece.subarray(at, at + take), filled);
      at += take;
      filled += take;
      if (filled < chunk.length) continue;
      refs.push(await storeChunk(chunk, target));
      left -= filled;
      chunk = new Uint8Array(Math.min(left, PACKAGE.chunkBytesMax));
      filled = 0;
    }
  }
  if (left !== 0) throw new FaultError('package/malformed', 'a tensor is shorter than it claims');
  return refs;
}

/** A chunk that an earlier import left is kept if every byte is right, else written again. */
async function storeChunk(
  bytes: Uint8Array<ArrayBuffer>,
  { store, model, onBytes, signal }: ChunkTarget,
): Promise<ChunkRef> {
  throwIfAborted(signal);
  const sha256 = (await sha256HexFast(bytes)) as ChunkHash;
  const kept = await store.read(sha256);
  if (!kept || !equalBytes(kept, bytes)) await store.write(sha256, bytes, model);
  onBytes(bytes.length);
  return { sha256, bytes: bytes.length };
}
