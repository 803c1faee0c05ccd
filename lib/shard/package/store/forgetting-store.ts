import { isFault } from '#lib/kernel/errors.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import type { ChunkStore, StoredChunk } from './chunk-store.ts';

/**
 * A store that makes room by itself: where a chunk finds none, chunks that `isHeld` does not know
 * go, least recently used first, until it fits. Chunks that are held never go.
 * `write` throws `package/storage-full` only when nothing is left to forget.
 */
export function forgettingStore(
  store: ChunkStore,
  isHeld: (hash: ChunkHash) => boolean,
): ChunkStore {
  let turn: Promise<unknown> = Promise.resolve();
  /** One after the other: together they would all forget for the same few bytes. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const own = turn.then(work, work);
    turn = own.catch(() => undefined);
    return own;
  };
  return {
    ...store,
    async write(...chunk) {
      if (await wasWritten(store, chunk)) return;
      await inTurn(() => writeForgetting(store, chunk, isHeld));
    },
  };
}

type Chunk = Parameters<ChunkStore['write']>;

async function writeForgetting(
  store: ChunkStore,
  chunk: Chunk,
  isHeld: (hash: ChunkHash) => boolean,
): Promise<void> {
  /** Another tab of the profile reads these just now. */
  const busy = new Set<ChunkHash>();
  const mayGo = (hash: ChunkHash): boolean => hash !== chunk[0] && !isHeld(hash) && !busy.has(hash);
  while (!(await wasWritten(store, chunk))) {
    // Listed anew each time: other tabs fetch and forget beside us.
    const oldest = leastRecentlyUsed((await store.list()).filter(({ sha256 }) => mayGo(sha256)));
    if (!oldest) return store.write(...chunk);
    await store.delete(oldest.sha256).catch((error: unknown) => {
      if (!isFault(error, 'package/busy')) throw error;
      busy.add(oldest.sha256);
    });
  }
}

/** False where it found no room. */
async function wasWritten(store: ChunkStore, chunk: Chunk): Promise<boolean> {
  try {
    await store.write(...chunk);
    return true;
  } catch (error) {
    if (isFault(error, 'package/storage-full')) return false;
    throw error;
  }
}

const leastRecentlyUsed = (chunks: readonly StoredChunk[]): StoredChunk | null =>
  chunks.reduce<StoredChunk | null>(
    (oldest, chunk) => (oldest && oldest.lastUsedMs <= chunk.lastUsedMs ? oldest : chunk),
    null,
  );
