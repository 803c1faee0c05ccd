import { describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { FETCH } from '#lib/shard/package/limits.ts';
import { memoryChunkIndex } from '#lib/shard/package/store/chunk-index.ts';
import { forgettingStore } from '#lib/shard/package/store/forgetting-store.ts';
import { opfsChunkStore } from '#lib/shard/package/store/opfs-store.ts';
import { processLocks } from '#lib/shard/package/store/turns.ts';
import { fakeOpfs } from './fake-opfs.ts';

const bytes = new Uint8Array([1, 2, 3, 4]);
const hash = sha256Hex(bytes) as ChunkHash;
interface Other {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly name: ChunkHash;
}

describe.each([true, false])('OPFS with synchronous handles: %s', (hasSyncHandles) => {
  const setUp = () => {
    const opfs = fakeOpfs({ hasSyncHandles });
    const index = memoryChunkIndex();
    return { opfs, index, store: opfsChunkStore({ folder: opfs.folder, index }) };
  };

  it('[K6] says storage-full at the quota and has no chunk', async () => {
    const { opfs, store } = setUp();
    opfs.quotaBytes = 3;
    await expect(store.write(hash, bytes, null)).rejects.toMatchObject({
      code: 'package/storage-full',
    });
    expect(await store.has(hash)).toBe(false);
    expect([...opfs.files.keys()]).toEqual([]);
  });

  const noRoom = new DOMException('', 'QuotaExceededError');
  it.each([noRoom, Object.assign(new Error(), { name: 'AbortError', inner: noRoom })])(
    '[K6] says storage-full where the index has no room, and keeps no file: %s',
    async (error) => {
      const { opfs, index } = setUp();
      const full = { ...index, put: () => Promise.reject(error) };
      const store = opfsChunkStore({ folder: opfs.folder, index: full });
      await expect(store.write(hash, bytes, null)).rejects.toMatchObject({
        code: 'package/storage-full',
      });
      expect([...opfs.files.keys()]).toEqual([]);
    },
  );

  it('[K6] reads what is there though the index has no room to note it', async () => {
    const { opfs, index, store } = setUp();
    await store.write(hash, bytes, null);
    const full = { ...index, touch: () => Promise.reject(noRoom) };
    const later = () => Date.now() + 2 * 3_600_000;
    const reader = opfsChunkStore({ folder: opfs.folder, index: full, nowMs: later });
    expect(await reader.read(hash)).toEqual(bytes);
  });

  it('[K6] fetches for itself where another tab keeps its turn and stands still', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const patience = new AbortController();
      setTimeout(() => patience.abort(), ms);
      return patience.signal;
    });
    try {
      const { opfs, index } = setUp();
      const store = opfsChunkStore({ folder: opfs.folder, index, locks: processLocks() });
      const { signal } = new AbortController();
      void store.inTurn(hash, signal, () => new Promise(() => undefined));
      const run = vi.fn(() => Promise.resolve('mine'));
      const waiting = store.inTurn(hash, signal, run);
      await vi.advanceTimersByTimeAsync(FETCH.turnWaitMsMax - 1);
      expect(run).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      expect(await waiting).toBe('mine');
    } finally {
      timeout.mockRestore();
      vi.useRealTimers();
    }
  });

  it('[K6] says busy while another tab holds the file', async () => {
    const { opfs, store } = setUp();
    opfs.held.add(hash);
    await expect(store.write(hash, bytes, null)).rejects.toMatchObject({ code: 'package/busy' });
    opfs.held.clear();
    await store.write(hash, bytes, null);
    expect(await store.read(hash)).toEqual(bytes);
  });

  it('[K11] passes by what another tab holds, and loses neither its bytes nor its row', async () => {
    const { opfs, index, store } = setUp();
    const [held, next] = [
      [9, 9],
      [8, 8],
    ].map((values) => {
      const data = new Uint8Array(values);
      return { data, name: sha256Hex(data) as ChunkHash };
    }) as [Other, Other];
    for (const { name, data } of [held, next]) await store.write(name, data, null);
    await index.touch(held.name, 1);
    opfs.held.add(held.name);
    opfs.roomBytes = 6;
    await forgettingStore(store, () => false).write(hash, bytes, null);
    opfs.held.clear();
    expect(await store.read(hash)).toEqual(bytes);
    expect(await store.read(held.name)).toEqual(held.data);
    expect(await store.has(next.name)).toBe(false);
  });

  if (hasSyncHandles) {
    it('[K11] has no room where another tab holds the question, and no file of it afterwards', async () => {
      const { opfs, store } = setUp();
      opfs.held.add('room-probe');
      expect(await store.hasRoom(1)).toBe(false);
      opfs.held.clear();
      opfs.files.set('room-probe', new Uint8Array(3)); // of a tab that ended in the middle
      opfs.roomBytes = 4;
      expect(await store.hasRoom(4)).toBe(true);
      expect([...opfs.files.keys()]).toEqual([]);
    });
  }

  it('[K6] does not take the rest of a broken-off write for a chunk', async () => {
    const { opfs, store } = setUp();
    opfs.files.set(hash, bytes.slice(0, 2));
    expect(await store.has(hash)).toBe(false);
    expect(await store.read(hash)).toBeNull();
    await store.write(hash, bytes, null);
    expect(await store.read(hash)).toEqual(bytes);
  });

  it('[K6] notices that the browser evicted a file but not its row', async () => {
    const { opfs, store } = setUp();
    await store.write(hash, bytes, null);
    opfs.files.delete(hash);
    expect(await store.has(hash)).toBe(false);
    expect(await store.read(hash)).toBeNull();
  });

  it('[K10] reads into the room that is given, and notes the use of a chunk once an hour', async () => {
    const { opfs, index } = setUp();
    const clock = { nowMs: 1_000 };
    const store = opfsChunkStore({ folder: opfs.folder, index, nowMs: () => clock.nowMs });
    await store.write(hash, bytes, null);
    const room = new Uint8Array(bytes.length);
    const read = await store.read(hash, () => room);
    expect(read).toEqual(bytes);
    if (hasSyncHandles) expect(read).toBe(room);
    const usedAfter = async (waitMs: number): Promise<number | undefined> => {
      clock.nowMs += waitMs;
      await store.read(hash);
      return (await index.get(hash))?.lastUsedMs;
    };
    expect(await usedAfter(3_599_999)).toBe(1_000);
    expect(await usedAfter(1)).toBe(3_601_000);
  });
});
