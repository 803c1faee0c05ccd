import { Dexie, type EntityTable } from 'dexie';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { byHash, type StoredChunk } from './chunk-store.ts';

/**
 * What a browser knows of its chunks beside their bytes. A row is written when the file is whole:
 * a file without a row is the rest of a write that was broken off.
 */
export interface ChunkIndex {
  get(hash: ChunkHash): Promise<StoredChunk | undefined>;
  put(chunk: StoredChunk): Promise<void>;
  /** Does nothing where there is no row. */
  touch(hash: ChunkHash, lastUsedMs: number): Promise<void>;
  delete(hash: ChunkHash): Promise<void>;
  /** In order of hash. */
  list(): Promise<StoredChunk[]>;
}

/** Seen by every tab of the origin. */
const DATABASE = 'declai-chunks';

export function dexieChunkIndex(name = DATABASE): ChunkIndex {
  const database = new Dexie(name) as Dexie & { chunks: EntityTable<StoredChunk, 'sha256'> };
  database.version(1).stores({ chunks: 'sha256' });
  const { chunks } = database;
  return {
    get: (hash) => chunks.get(hash),
    async put(chunk) {
      await chunks.put(chunk);
    },
    async touch(hash, lastUsedMs) {
      await chunks.update(hash, { lastUsedMs });
    },
    delete: (hash) => chunks.delete(hash),
    list: async () => (await chunks.toArray()).sort(byHash),
  };
}

/** The in-memory twin. */
export function memoryChunkIndex(): ChunkIndex {
  const rows = new Map<ChunkHash, StoredChunk>();
  return {
    get: (hash) => Promise.resolve(rows.get(hash)),
    put(chunk) {
      rows.set(chunk.sha256, chunk);
      return Promise.resolve();
    },
    touch(hash, lastUsedMs) {
      const row = rows.get(hash);
      if (row) rows.set(hash, { ...row, lastUsedMs });
      return Promise.resolve();
    },
    delete(hash) {
      rows.delete(hash);
      return Promise.resolve();
    },
    list: () => Promise.resolve([...rows.values()].sort(byHash)),
  };
}
