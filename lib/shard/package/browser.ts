import { dexieChunkIndex } from './store/chunk-index.ts';
import type { ChunkStore } from './store/chunk-store.ts';
import { memoryChunkStore } from './store/memory-store.ts';
import { opfsChunkStore } from './store/opfs-store.ts';

const FOLDER = 'declai-chunks';

/**
 * This profile's chunks, in a worker or on a page. Where the browser has no private file system
 * (insecure context, some private windows) they live in memory and end with the tab.
 */
export async function openOpfsChunkStore(): Promise<ChunkStore> {
  const folder = await openFolder();
  if (!folder) return memoryChunkStore();
  const locks = 'locks' in navigator ? navigator.locks : undefined;
  return opfsChunkStore({ folder, index: dexieChunkIndex(), locks });
}

async function openFolder(): Promise<FileSystemDirectoryHandle | null> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return null;
  }
}
