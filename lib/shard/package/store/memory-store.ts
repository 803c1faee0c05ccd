import type { ChunkHash } from '#lib/kernel/ids.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { byHash, totalBytes, type ChunkStore, type StoredChunk } from './chunk-store.ts';
import { processLocks, turns } from './turns.ts';

export interface MemoryStoreOptions {
  /** More than this together is refused with `package/storage-full`. */
  readonly bytesMax?: number;
  readonly nowMs?: () => number;
}

/** The in-memory twin: for tests, and where a browser allows no storage at all. */
export function memoryChunkStore(options: MemoryStoreOptions = {}): ChunkStore {
  const { bytesMax = Infinity, nowMs = Date.now } = options;
  const chunks = new Map<ChunkHash, { about: StoredChunk; data: Uint8Array<ArrayBuffer> }>();
  const list = () => [...chunks.values()].map(({ about }) => about).sort(byHash);
  return {
    has: (hash) => Promise.resolve(chunks.has(hash)),
    read(hash) {
      const chunk = chunks.get(hash);
      if (!chunk) return Promise.resolve(null);
      const about = { ...chunk.about, lastUsedMs: nowMs() };
      chunks.set(hash, { about, data: chunk.data });
      return Promise.resolve(chunk.data.slice());
    },
    write(hash, bytes, model) {
      const others = totalBytes(list().filter((chunk) => chunk.sha256 !== hash));
      if (others + bytes.length > bytesMax) {
        return Promise.reject(new FaultError('package/storage-full', 'the store is full'));
      }
      const about = { sha256: hash, bytes: bytes.length, model, lastUsedMs: nowMs() };
      chunks.set(hash, { about, data: bytes.slice() });
      return Promise.resolve();
    },
    inTurn: turns(processLocks()),
    delete(hash) {
      chunks.delete(hash);
      return Promise.resolve();
    },
    hasRoom: (bytes) => Promise.resolve(totalBytes(list()) + bytes <= bytesMax),
    list: () => Promise.resolve(list()),
    bytes: () => Promise.resolve(totalBytes(list())),
  };
}
