import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { totalBytes, type ChunkStore } from './chunk-store.ts';
import { freeBytes } from '#lib/webgpu/free-bytes.ts';
import { equalBytes } from '../equal-bytes.ts';
import { STORE } from '../limits.ts';
import { findFile, hasRoom, isQuota, readFile, removeFile, writeFile } from './opfs-files.ts';
import { turns, type Locks } from './turns.ts';

export interface OpfsStoreOptions {
  readonly folder: FileSystemDirectoryHandle;
  readonly index: ChunkIndex;
  /** Absent outside secure contexts; then two tabs may write the same bytes twice. */
  readonly locks?: Locks | undefined;
  readonly nowMs?: () => number;
}

/**
 * Chunks in the origin's private file system, shared by all tabs of a profile: one tab writes a
 * chunk under a lock named by its hash, all read it.
 */
export function opfsChunkStore(options: OpfsStoreOptions): ChunkStore {
  const { folder, index, locks, nowMs = Date.now } = options;

  const find = async (hash: ChunkHash) => {
    const [row, file] = await Promise.all([index.get(hash), findFile(folder, hash)]);
    return { row, file };
  };

  const has = async (hash: ChunkHash): Promise<boolean> => {
    const { row, file } = await find(hash);
    return row !== undefined && (await file?.getFile())?.size === row.bytes;
  };

  /** At the quota not even a note finds room: no reason to lose the bytes that are here. */
  const touch = (hash: ChunkHash): Promise<void> =>
    index.touch(hash, nowMs()).catch((error: unknown) => {
      if (!isQuota(error)) throw error;
    });

  const read: ChunkStore['read'] = async (hash, allocate) => {
    const { row, file } = await find(hash);
    if (!row || !file) return null;
    const bytes = await readFile(file, allocate);
    if (bytes && nowMs() - row.lastUsedMs >= STORE.touchEveryMs) await touch(hash);
    return bytes;
  };

  /** Two tabs may have fetched the same chunk: the second finds it there and writes nothing. */
  const writeAlone = async (chunk: Parameters<ChunkStore['write']>): Promise<void> => {
    const [hash, bytes, model] = chunk;
    const there = await read(hash);
    const isThere = there !== null && equalBytes(there, bytes);
    if (there) freeBytes(there);
    if (isThere) return;
    try {
      await index.delete(hash);
      await writeFile(await folder.getFileHandle(hash, { create: true }), bytes);
      await index.put({ sha256: hash, bytes: bytes.length, model, lastUsedMs: nowMs() });
    } catch (error) {
      if (!isQuota(error)) throw error;
      // What was written of it takes room that no row accounts for.
      await removeFile(folder, hash);
      const message = 'the browser gives no more storage';
      throw new FaultError('package/storage-full', message, { cause: error });
    }
  };

  return {
    has,
    read,
    async write(...chunk) {
      const write = () => writeAlone(chunk);
      if (locks) await locks.request(`declai-chunk-${chunk[0]}`, {}, write);
      else await write();
    },
    inTurn: turns(locks),
    async delete(hash) {
      // In this order: a row without a file is seen to be none, a file without a row takes room for good.
      await removeFile(folder, hash);
      await index.delete(hash);
    },
    hasRoom: (bytes) => hasRoom(folder, bytes),
    list: () => index.list(),
    bytes: async () => totalBytes(await index.list()),
  };
}
