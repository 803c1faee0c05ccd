import { sha256HexFast } from '#lib/kernel/digest.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import type { LayerRange, PartKey } from '#lib/webgpu/model.ts';
import type { ChunkBuffers } from './chunk-buffers.ts';
import { FETCH } from './limits.ts';
import { chunkRefs, partOf, rangeRefs, type ChunkRef, type Manifest } from './manifest.ts';
import { attemptChunk, type ChunkFetcher, type RetryPolicy } from './retry.ts';
import type { ChunkStore } from './store/chunk-store.ts';

export interface FetchProgress {
  /** Bytes asked for, each chunk once. */
  readonly totalBytes: number;
  readonly cachedBytes: number;
  readonly networkBytes: number;
}

/** A chunk that is in the store now, and where it was before. */
export interface ObtainedChunk {
  readonly sha256: ChunkHash;
  readonly bytes: number;
  readonly from: 'cache' | 'network';
}

export interface FetchOptions {
  readonly manifest: Manifest;
  readonly store: ChunkStore;
  readonly fetchChunk: ChunkFetcher;
  readonly buffers?: ChunkBuffers | undefined;
  /** After each chunk; with null, once a second at most, while bytes come of chunks not whole yet. */
  readonly onProgress?: (progress: FetchProgress, chunk: ObtainedChunk | null) => void;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryPolicy;
}

/**
 * Brings the chunks of some parts into the store: what is there already is not asked for again,
 * what comes is hashed before it is stored, so an interrupted fetch goes on where it stopped.
 * @throws FaultError `package/hash-mismatch`, `package/fetch-failed`, `package/not-found`,
 *   `package/storage-full`, `kernel/aborted`; chunks stored by then stay.
 */
export const fetchParts = (
  options: FetchOptions & { readonly parts: readonly PartKey[] },
): Promise<FetchProgress> =>
  fetchChunks(
    options.parts.flatMap((key) => chunkRefs(partOf(options.manifest, key))),
    options,
  );

/** As {@link fetchParts}, of what a range needs: the last one writes, and needs the tokenizer. */
export const fetchRange = (
  options: FetchOptions & { readonly range: LayerRange },
): Promise<FetchProgress> => fetchChunks(rangeRefs(options.manifest, options.range), options);

async function fetchChunks(
  refs: readonly ChunkRef[],
  options: FetchOptions,
): Promise<FetchProgress> {
  const wanted = [...new Map(refs.map((ref) => [ref.sha256, ref])).values()];
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const count = { cache: 0, network: 0 };
  const totalBytes = wanted.reduce((sum, ref) => sum + ref.bytes, 0);
  const progress = (): FetchProgress => ({
    totalBytes,
    cachedBytes: count.cache,
    networkBytes: count.network,
  });
  const onBytes = atMostEvery(FETCH.tellEveryMs, () => options.onProgress?.(progress(), null));
  const queue = wanted.values();
  const work = async (): Promise<void> => {
    for (const ref of queue) {
      const from = await obtain(ref, { ...options, signal, onBytes });
      const { sha256, bytes } = ref;
      count[from] += bytes;
      options.onProgress?.(progress(), { sha256, bytes, from });
    }
  };
  const workers = Array.from({ length: FETCH.concurrentMax }, () =>
    work().catch((error: unknown) => failed.abort(toFault(error, 'package/fetch-failed'))),
  );
  // All have ended before this does: nothing is written behind the caller's back.
  await Promise.all(workers);
  if (failed.signal.aborted) throw failed.signal.reason as FaultError;
  return progress();
}

async function obtain(
  ref: ChunkRef,
  options: FetchOptions & { readonly signal: AbortSignal; readonly onBytes: () => void },
): Promise<ObtainedChunk['from']> {
  const { store, manifest, signal } = options;
  if (await store.has(ref.sha256)) return 'cache';
  return store.inTurn(ref.sha256, signal, async () => {
    if (await store.has(ref.sha256)) return 'cache';
    const bytes = await attemptChunk(ref, options);
    await store.write(ref.sha256, bytes, manifest.id).catch((error: unknown) => {
      // Another tab of the profile is at this very chunk: the bytes will be there, or come again.
      if (!isFault(error, 'package/busy')) throw error;
    });
    options.buffers?.give(bytes);
    return 'network';
  });
}

function atMostEvery(ms: number, tell: () => void): () => void {
  let toldAt = -Infinity;
  return () => {
    const now = performance.now();
    if (now - toldAt < ms) return;
    toldAt = now;
    tell();
  };
}

export interface ChunkReader {
  readonly store: ChunkStore;
  readonly model: ModelId;
  /** Asked once for a chunk that is missing or corrupt. */
  readonly fetchChunk: ChunkFetcher;
  /** Where the chunk lies, if given; whoever asked for it gives it back there. */
  readonly buffers?: ChunkBuffers | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/**
 * A chunk whose hash was checked just now. What the disk spoiled or the browser evicted is fetched
 * again and put back; a full store does not stand in the way of bytes that are here.
 */
export async function readVerified(
  ref: ChunkRef,
  reader: ChunkReader,
): Promise<Uint8Array<ArrayBuffer>> {
  const kept = await reader.store.read(ref.sha256, reader.buffers?.take);
  if (kept?.length === ref.bytes && (await sha256HexFast(kept)) === ref.sha256) return kept;
  if (kept) {
    reader.buffers?.give(kept);
    await reader.store.delete(ref.sha256).catch(unlessHindered);
  }
  const bytes = await attemptChunk(ref, reader);
  await reader.store.write(ref.sha256, bytes, reader.model).catch(unlessHindered);
  return bytes;
}

/** The store has no room, or another tab is at this chunk. */
function unlessHindered(error: unknown): void {
  if (!isFault(error, 'package/storage-full') && !isFault(error, 'package/busy')) throw error;
}

/** For packages on this disk: there is nowhere else to ask. */
export const neverFetch: ChunkFetcher = (ref) =>
  Promise.reject(new FaultError('package/not-found', `chunk ${ref.sha256} is missing or corrupt`));
