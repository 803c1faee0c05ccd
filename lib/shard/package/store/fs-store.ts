import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '#lib/kernel/assert.ts';
import { HEX_64, type ChunkHash } from '#lib/kernel/ids.ts';
import { totalBytes, type ChunkStore, type StoredChunk } from './chunk-store.ts';
import { errnoOf, listFolder, removeTempFiles, writeFileAtomic } from './fs-files.ts';
import { processLocks, turns } from './turns.ts';

/** A write of 4 MiB that takes longer than this was never going to end. */
const STALE_TEMP_MS = 3_600_000;

/**
 * Chunks as files named by their hash in one folder, which may not exist yet. The folder itself is
 * the index: `lastUsedMs` is the file's last access as far as the system keeps it.
 */
export async function openFsChunkStore(folder: string): Promise<ChunkStore> {
  await removeTempFiles(folder, STALE_TEMP_MS);
  return fsChunkStore(folder);
}

/** As {@link openFsChunkStore} without tidying: for folders that others write. */
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
    list,
    bytes: async () => totalBytes(await list()),
  };
}

async function listChunks(folder: string): Promise<StoredChunk[]> {
  const chunks: StoredChunk[] = [];
  for (const name of await listFolder(folder)) {
    if (!HEX_64.test(name)) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (!info?.isFile()) continue;
    const lastUsedMs = Math.max(info.atimeMs, info.mtimeMs);
    chunks.push({ sha256: name as ChunkHash, bytes: info.size, model: null, lastUsedMs });
  }
  return chunks;
}
