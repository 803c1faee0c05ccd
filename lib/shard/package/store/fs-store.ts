import type { Stats } from 'node:fs';
import { readFile, rm, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '#lib/kernel/assert.ts';
import { HEX_64, type ChunkHash } from '#lib/kernel/ids.ts';
import { STORE } from '../limits.ts';
import { totalBytes, type ChunkStore, type StoredChunk } from './chunk-store.ts';
import { errnoOf, listFolder, removeTempFiles, writeFileAtomic } from './fs-files.ts';
import { processLocks, turns } from './turns.ts';

export interface FsStoreOptions {
  readonly nowMs?: () => number;
}

/**
 * A node's cache: chunks as files named by their hash in one folder, which may not exist yet. The
 * folder itself is the index: `lastUsedMs` is the file's last access, which is noted here, since
 * most systems keep it for themselves once a day or not at all.
 */
export async function openFsChunkStore(
  folder: string,
  { nowMs = Date.now }: FsStoreOptions = {},
): Promise<ChunkStore> {
  await removeTempFiles(folder, STORE.staleTempMs);
  const store = fsChunkStore(folder);
  return {
    ...store,
    async read(hash) {
      const bytes = await store.read(hash);
      if (bytes) await touch(join(folder, hash), nowMs());
      return bytes;
    },
  };
}

/** As {@link openFsChunkStore} without tidying and notes of use: for folders that others write. */
export function fsChunkStore(folder: string): ChunkStore {
  const pathOf = (hash: ChunkHash): string => {
    invariant(HEX_64.test(hash), 'a chunk is named by its hash');
    return join(folder, hash);
  };
  const list = () => listChunks(folder);
  return {
    has: async (hash) => (await stat(pathOf(hash)).catch(() => null))?.isFile() ?? false,
    async read(hash) {
      const bytes = await readFile(pathOf(hash)).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
        throw error;
      });
      return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    write: (hash, bytes) => writeFileAtomic(pathOf(hash), bytes),
    inTurn: turns(processLocks()),
    delete: (hash) => rm(pathOf(hash), { force: true }),
    async hasRoom(bytes) {
      const disk = await statfs(folder).catch(() => null);
      return disk !== null && disk.bavail * disk.bsize >= bytes;
    },
    list,
    bytes: async () => totalBytes(await list()),
  };
}

/** A note that cannot be made is no reason to lose the bytes. */
async function touch(path: string, nowMs: number): Promise<void> {
  const info = await stat(path).catch(() => null);
  if (!info || nowMs - usedMs(info) < STORE.touchEveryMs) return;
  await utimes(path, new Date(nowMs), info.mtime).catch(() => undefined);
}

const usedMs = ({ atimeMs, mtimeMs }: Stats): number => Math.max(atimeMs, mtimeMs);

async function listChunks(folder: string): Promise<StoredChunk[]> {
  const chunks: StoredChunk[] = [];
  for (const name of await listFolder(folder)) {
    if (!HEX_64.test(name)) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (!info?.isFile()) continue;
    const about = { bytes: info.size, model: null, lastUsedMs: usedMs(info) };
    chunks.push({ sha256: name as ChunkHash, ...about });
  }
  return chunks;
}
