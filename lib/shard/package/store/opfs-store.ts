import type { ChunkHash } from '#lib/kernel/ids.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { totalBytes, type ChunkStore } from './chunk-store.ts';
import { equalBytes } from '../equal-bytes.ts';
import { findFile, readFile, removeFile, writeFile } from './opfs-files.ts';

/** Of `navigator.locks` what the store needs: one holder of a name at a time. */
export interface Locks {
  request(name: string, run: () => Promise<void>): Promise<unknown>;
}

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

  const has = async (hash: ChunkHash): Promise<boolean> => {
    const row = await index.get(hash);
    const file = row && (await findFile(folder, hash));
    return row !== undefined && (await file?.getFile())?.size === row.bytes;
  };

  const read = async (hash: ChunkHash): Promise<Uint8Array<ArrayBuffer> | null> => {
    const file = (await index.get(hash)) && (await findFile(folder, hash));
    return file ? readFile(file) : null;
  };

  /** Two tabs may have fetched the same chunk: the second finds it there and writes nothing. */
  const writeAlone = async (chunk: Parameters<ChunkStore['write']>): Promise<void> => {
    const [hash, bytes, model] = chunk;
    const there = await read(hash);
    if (there && equalBytes(there, bytes)) return;
    await index.delete(hash);
    await writeFile(await folder.getFileHandle(hash, { create: true }), bytes);
    await index.put({ sha256: hash, bytes: bytes.length, model, lastUsedMs: nowMs() });
  };

  return {
    has,
    async read(hash) {
      const bytes = await read(hash);
      if (bytes) await index.touch(hash, nowMs());
      return bytes;
    },
    async write(...chunk) {
      const write = () => writeAlone(chunk);
      if (locks) await locks.request(`declai-chunk-${chunk[0]}`, write);
      else await write();
    },
    async delete(hash) {
      await index.delete(hash);
      await removeFile(folder, hash);
    },
    list: () => index.list(),
    bytes: async () => totalBytes(await index.list()),
  };
}
