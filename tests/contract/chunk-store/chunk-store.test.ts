import 'fake-indexeddb/auto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import {
  dexieChunkIndex,
  memoryChunkIndex,
  type ChunkIndex,
} from '#lib/shard/package/store/chunk-index.ts';
import { totalBytes, type ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { forgettingStore } from '#lib/shard/package/store/forgetting-store.ts';
import { openFsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { opfsChunkStore } from '#lib/shard/package/store/opfs-store.ts';
import { processLocks } from '#lib/shard/package/store/turns.ts';
import { fakeOpfs } from './fake-opfs.ts';

interface Implementation {
  readonly name: string;
  /** Whether it keeps which model a chunk came for. */
  readonly knowsModels: boolean;
  /** Whether it can tell what would fit: where a browser gives no synchronous handles it says no. */
  readonly knowsRoom: boolean;
  readonly open: (limits?: Limits) => Promise<ChunkStore>;
}

interface Limits {
  readonly nowMs?: () => number;
  /** All chunks together; a disk has no more. */
  readonly bytesMax?: number;
}

let databases = 0;
const IMPLEMENTATIONS: readonly Implementation[] = [
  {
    name: 'memory',
    knowsModels: true,
    knowsRoom: true,
    open: (limits) => Promise.resolve(memoryChunkStore(limits)),
  },
  {
    name: 'files',
    knowsModels: false,
    knowsRoom: true,
    async open({ bytesMax = Infinity, ...limits } = {}) {
      const folder = join(await mkdtemp(join(tmpdir(), 'declai-')), 'new');
      return onSmallDisk(await openFsChunkStore(folder, limits), bytesMax);
    },
  },
  {
    name: 'OPFS in a worker, dexie',
    knowsModels: true,
    knowsRoom: true,
    open: (limits) => openFakeOpfs(true, dexieChunkIndex(`chunks-${(databases += 1)}`), limits),
  },
  {
    name: 'OPFS on a page',
    knowsModels: true,
    knowsRoom: false,
    open: (limits) => openFakeOpfs(false, memoryChunkIndex(), limits),
  },
];

function openFakeOpfs(hasSyncHandles: boolean, index: ChunkIndex, limits: Limits = {}) {
  const opfs = fakeOpfs({ hasSyncHandles });
  opfs.roomBytes = limits.bytesMax ?? Infinity;
  const { nowMs } = limits;
  const store = opfsChunkStore({
    ...{ folder: opfs.folder, index, locks: processLocks() },
    ...(nowMs && { nowMs }),
  });
  return Promise.resolve(store);
}

/** A test has no disk of a few bytes: this one says what the system says of a full one. */
const onSmallDisk = (store: ChunkStore, bytesMax: number): ChunkStore => ({
  ...store,
  async write(hash, bytes, model) {
    const others = (await store.list()).filter(({ sha256 }) => sha256 !== hash);
    if (totalBytes(others) + bytes.length > bytesMax) {
      throw new FaultError('package/storage-full', 'no room');
    }
    await store.write(hash, bytes, model);
  },
});

const MODEL = 'some-model' as ModelId;
type Chunk = ReturnType<typeof chunk>;
const chunk = (...values: number[]) => {
  const bytes = new Uint8Array(values);
  return { bytes, hash: sha256Hex(bytes) as ChunkHash };
};

describe.each(IMPLEMENTATIONS)('chunk store: $name', ({ open, knowsModels, knowsRoom }) => {
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

  it('[K11] says whether so much would fit, and leaves nothing of the question behind', async () => {
    const store = await open({ bytesMax: 13 });
    const { hash, bytes } = chunk(1, 2, 3);
    await store.write(hash, bytes, MODEL);
    expect(await store.hasRoom(10)).toBe(knowsRoom);
    expect(await store.hasRoom(2 ** 60)).toBe(false);
    expect(await store.hasRoom(10)).toBe(knowsRoom);
    expect(await store.bytes()).toBe(3);
  });

  it('[K11] knows which chunk was used last, to the hour', async () => {
    let nowMs = Date.now();
    const store = await open({ nowMs: () => nowMs });
    const [read, left] = [chunk(1), chunk(2)];
    for (const { hash, bytes } of [read, left]) await store.write(hash, bytes, MODEL);
    nowMs += 3_700_000;
    await store.read(read.hash);
    const used = new Map((await store.list()).map((about) => [about.sha256, about.lastUsedMs]));
    expect(used.get(read.hash)).toBeGreaterThanOrEqual(nowMs - 1);
    expect(used.get(left.hash)).toBeLessThan(nowMs - 3_600_000);
  });

  it('[K11] full, it forgets what is not held, longest unused first, and then says so', async () => {
    let nowMs = Date.now();
    const held = [chunk(1, 1, 1), chunk(2, 2, 2), chunk(3, 3, 3), chunk(4, 4, 4)];
    const others = [chunk(5, 5, 5), chunk(6, 6, 6), chunk(7, 7, 7)];
    const full = await open({ nowMs: () => nowMs, bytesMax: 13 });
    const store = forgettingStore(full, (hash) => held.some((one) => one.hash === hash));
    const write = ({ hash, bytes }: Chunk) => store.write(hash, bytes, MODEL);
    const kept = async () => (await store.list()).map(({ sha256 }) => sha256);
    const hashes = (...chunks: Chunk[]) => chunks.map(({ hash }) => hash).sort();
    const [a, b, c, tooMuch] = held as [Chunk, Chunk, Chunk, Chunk];
    const [first, second, third] = others as [Chunk, Chunk, Chunk];

    for (const one of [a, ...others]) await write(one);
    nowMs += 3_700_000;
    await store.read(second.hash);
    nowMs += 3_700_000;
    await store.read(first.hash);
    expect(await kept()).toEqual(hashes(a, first, second, third));

    await write(b);
    expect(await kept()).toEqual(hashes(a, b, first, second));
    await write(c);
    expect(await kept()).toEqual(hashes(a, b, c, first));
    await write(tooMuch);
    expect(await kept()).toEqual(hashes(a, b, c, tooMuch));
    await expect(write(first)).rejects.toMatchObject({ code: 'package/storage-full' });
    expect(await kept()).toEqual(hashes(a, b, c, tooMuch));
    expect(await store.read(a.hash)).toEqual(a.bytes);
  });

  it('[K11] forgets no more than it must where several chunks find no room at once', async () => {
    const full = await open({ bytesMax: 12 });
    const others = [chunk(5, 5, 5), chunk(6, 6, 6), chunk(7, 7, 7), chunk(8, 8, 8)];
    for (const { hash, bytes } of others) await full.write(hash, bytes, MODEL);
    const held = [chunk(1, 1), chunk(2, 2), chunk(3, 3)];
    const store = forgettingStore(full, (hash) => held.some((one) => one.hash === hash));
    await Promise.all(held.map(({ hash, bytes }) => store.write(hash, bytes, MODEL)));
    expect(await store.bytes()).toBe(12);
    for (const { hash } of held) expect(await store.has(hash)).toBe(true);
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
