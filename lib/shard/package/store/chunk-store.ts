import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import type { Allocate } from '../chunk-buffers.ts';

export interface StoredChunk {
  readonly sha256: ChunkHash;
  readonly bytes: number;
  /** The model it was fetched for first; `null` where the store does not keep that. */
  readonly model: ModelId | null;
  /** Wall-clock milliseconds since 1970, for choosing what to forget first. */
  readonly lastUsedMs: number;
}

/**
 * Where a node keeps chunks between visits. A store keeps bytes, it does not vouch for them: disks
 * rot and browsers evict, so readers verify the hash every time.
 */
export interface ChunkStore {
  has(hash: ChunkHash): Promise<boolean>;
  /**
   * The bytes as stored, unverified; `null` where there are none. They lie in the room that
   * `allocate` gives where the store can.
   */
  read(hash: ChunkHash, allocate?: Allocate): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * All or nothing; a chunk that is there already is replaced.
   * @throws FaultError `package/storage-full`, `package/busy` where another tab is in the way.
   */
  write(hash: ChunkHash, bytes: Uint8Array<ArrayBuffer>, model: ModelId | null): Promise<void>;
  /**
   * Runs while nobody else who shares the store runs for this chunk: what one tab fetches, the
   * others find. After `FETCH.turnWaitMsMax` it runs all the same.
   * @throws FaultError `kernel/aborted` where `signal` fires before it is its turn.
   */
  inTurn<T>(hash: ChunkHash, signal: AbortSignal, run: () => Promise<T>): Promise<T>;
  /** Does nothing where the chunk is not there. @throws FaultError `package/busy` as `write` does. */
  delete(hash: ChunkHash): Promise<void>;
  /** In order of hash. */
  list(): Promise<readonly StoredChunk[]>;
  /** Whether so many bytes more would find room, as far as that can be told without writing them. */
  hasRoom(bytes: number): Promise<boolean>;
  /** Bytes of all chunks together. */
  bytes(): Promise<number>;
}

export const totalBytes = (chunks: readonly StoredChunk[]): number =>
  chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);

export const byHash = (a: StoredChunk, b: StoredChunk): number => (a.sha256 < b.sha256 ? -1 : 1);
