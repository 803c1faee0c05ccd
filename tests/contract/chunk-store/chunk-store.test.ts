import 'fake-indexeddb/auto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import { dexieChunkIndex, memoryChunkIndex } from '#lib/shard/package/store/chunk-index.ts';
import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { openFsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { opfsChunkStore } from '#lib/shard/package/store/opfs-store.ts';
import { processLocks } from '#lib/shard/package/store/turns.ts';
import { fakeOpfs } from './fake-opfs.ts';

interface Implementation {
  readonly name: string;
  /** Whether it keeps which model a chunk came for. */
  readonly knowsModels: boolean;
  readonly open: () => Promise<ChunkStore>;
}

let databases = 0;
const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: 'memory', knowsModels: true, open: () => Promise.resolve(memoryChunkStore()) },
  {
    name: 'files',
    knowsModels: false,
    open: async () => openFsChunkStore(join(await mkdtemp(join(tmpdir(), 'declai-')), 'new')),
  },
  {
    name: 'OPFS in a worker, dexie',
    knowsModels: true,
    open() {
      const { folder } = fakeOpfs({ hasSyncHandles: true });
      const index = dexieChunkIndex(`chunks-${(databases += 1)}`);
      return Promise.resolve(opfsChunkStore({ folder, index, locks: processLocks() }));
    },
  },
  {
    name: 'OPFS on a page',
    knowsModels: true,
    open() {
      const { folder } = fakeOpfs({ hasSyncHandles: false });
      return Promise.resolve(
        opfsChunkStore({ folder, index: memoryChunkIndex(), locks: processLocks() }),
      );
    },
  },
];

const MODEL = 'some-model' as ModelId;
const chunk = (...values: number[]) => {
  const bytes = new Uint8Array(values);
  return { bytes, hash: sha256Hex(bytes) as ChunkHash };
};

describe.each(IMPLEMENTATIONS)('chunk store: $name', ({ open, knowsModels }) => {
  it('[K6] is empty at first and reads nothing', async () => {
    const store = await open();
    const { hash } = chunk(1);
    expect(await store.has(hash)).toBe(false);
    expect(await store.read(hash)).toBeNull();
    expect(await store.list()).toEqual([]);
    expect(await store.bytes()).toBe(0);
  });

  it('[K6] gives back what was written, as a copy', async () => {
    const store = await open();
    const { hash, bytes } = chunk(1, 2, 3);
    await store.write(hash, bytes, MODEL);
    (await store.read(hash))?.fill(9);
    expect(await store.has(hash)).toBe(true);
    expect(await store.read(hash)).toEqual(chunk(1, 2, 3).bytes);
  });

  it('[K6] replaces a chunk whole, be it longer or shorter', async () => {
    const store = await open();
    const { hash, bytes } = chunk(1, 2, 3);
    for (const other of [chunk(7, 7, 7, 7, 7).bytes, chunk(7).bytes, bytes]) {
      await store.write(hash, other, MODEL);
      expect(await store.read(hash)).toEqual(other);
    }
    expect(await store.bytes()).toBe(3);
  });

  it('[K6] lists by hash and counts bytes', async () => {
    const store = await open();
    const chunks = [chunk(1), chunk(2, 2), chunk(3, 3, 3)];
    const before = Date.now() - 20; // a file's times are as coarse as the system's tick
    for (const { hash, bytes } of chunks) await store.write(hash, bytes, MODEL);
    const listed = await store.list();
    expect(listed.map(({ sha256 }) => sha256)).toEqual(chunks.map(({ hash }) => hash).sort());
    expect(listed.every(({ lastUsedMs }) => lastUsedMs >= before)).toBe(true);
    expect(listed.map(({ model }) => model)).toEqual(
      listed.map(() => (knowsModels ? MODEL : null)),
    );
    expect(await store.bytes()).toBe(6);
  });

  it('[K6] forgets, and forgetting twice is nothing', async () => {
    const store = await open();
    const { hash, bytes } = chunk(1, 2);
    await store.write(hash, bytes, MODEL);
    await store.delete(hash);
    await store.delete(hash);
    expect(await store.has(hash)).toBe(false);
    expect(await store.read(hash)).toBeNull();
    expect(await store.bytes()).toBe(0);
  });

  it('[K6] takes the same chunk from two writers at once', async () => {
    const store = await open();
    const { hash, bytes } = chunk(5, 6, 7);
    await Promise.all([1, 2, 3].map(() => store.write(hash, bytes, MODEL)));
    expect(await store.read(hash)).toEqual(bytes);
    expect(await store.list()).toHaveLength(1);
  });

  it('[K6] lets one at a time at a chunk, and others at other chunks', async () => {
    const store = await open();
    const { signal } = new AbortController();
    const seen: string[] = [];
    const visit = (name: string, { hash }: ReturnType<typeof chunk>) =>
      store.inTurn(hash, signal, async () => {
        seen.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        seen.push(`${name} out`);
        return name;
      });
    const failing = store.inTurn(chunk(1).hash, signal, () => Promise.reject(new Error('mine')));
    const names = await Promise.all([
      visit('a', chunk(1)),
      visit('b', chunk(1)),
      visit('other', chunk(2)),
      expect(failing).rejects.toThrow('mine'),
    ]);
    expect(names.slice(0, 3)).toEqual(['a', 'b', 'other']);
    const first = seen.filter((word) => !word.startsWith('other'));
    expect(first).toEqual(['a in', 'a out', 'b in', 'b out']);
    expect(seen.indexOf('other in')).toBeLessThan(seen.indexOf('a out'));
  });

  it('[K6] who is told to stop while it waits for its turn never runs', async () => {
    const store = await open();
    const { hash } = chunk(1);
    const stop = new AbortController();
    let leave = (): void => undefined;
    const holder = store.inTurn(hash, new AbortController().signal, () => {
      return new Promise<void>((resolve) => (leave = resolve));
    });
    const run = vi.fn(() => Promise.resolve());
    const waiting = store.inTurn(hash, stop.signal, run);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'kernel/aborted' });
    leave();
    await holder;
    expect(run).not.toHaveBeenCalled();
  });
});
