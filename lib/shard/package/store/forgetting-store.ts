import { isFault } from '#lib/kernel/errors.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import type { ChunkStore, StoredChunk } from './chunk-store.ts';

/**
 * A store that makes room by itself: where a chunk finds none, chunks that `isHeld` does not know
 * go, least recently used first, until it fits. Chunks that are held never go.
 * `write` throws `package/storage-full` only when nothing is left to forget.
 */
export const forgettingStore = (
  store: ChunkStore,
  isHeld: (hash: ChunkHash) => boolean,
): ChunkStore => ({
  ...store,
  async write(...chunk) {
    for (;;) {
      try {
        await store.write(...chunk);
        return;
      } catch (error) {
        if (!isFault(error, 'package/storage-full')) throw error;
        // Listed anew each time: other tabs of the profile forget, and fetch, beside us.
        const oldest = leastRecentlyUsed(
          await store.list(),
          (hash) => hash !== chunk[0] && !isHeld(hash),
        );
        if (!oldest) throw error;
        await store.delete(oldest.sha256);
      }
    }
  },
});

function leastRecentlyUsed(
  chunks: readonly StoredChunk[],
  mayGo: (hash: ChunkHash) => boolean,
): StoredChunk | null {
  let oldest: StoredChunk | null = null;
  for (const chunk of chunks) {
    if (!mayGo(chunk.sha256)) continue;
    if (oldest === null || chunk.lastUsedMs < oldest.lastUsedMs) oldest = chunk;
  }
  return oldest;
}
