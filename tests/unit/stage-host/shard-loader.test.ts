import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import { FETCH } from '#lib/shard/package/limits.ts';
import { chunkRefs, partOf, type Manifest } from '#lib/shard/package/manifest.ts';
import { fsChunkStore, readManifest } from '#lib/shard/package/server.ts';
import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import type { ShardProgress } from '#lib/shard/stage/host-protocol.ts';
import { storedBytes } from '#lib/shard/stage/stored-bytes.ts';
import { ShardLoader, type ShardLoaderDoors } from '#lib/shard/stage/shard-loader.ts';

const FOLDER = 'public/models/smollm2-135m-instruct';
const RANGE = { first: 1, last: 12 };

let manifest: Manifest;
let kernels: WebAssembly.Module;
beforeAll(async () => {
  kernels = await loadKernels();
  manifest = await readManifest(FOLDER);
});

describe('a shard loader', () => {
  const origin = fsChunkStore(`${FOLDER}/chunks`);
  const doors = (factory: ShardLoaderDoors['factory'], store: ChunkStore) => ({
    ...{ factory, store: () => Promise.resolve(store) },
    ...{ memoryBytes: () => 0, memoryMaxBytes: () => 2 ** 30, onProgress: () => undefined },
  });
  const make = (factory: ShardLoaderDoors['factory'], store = memoryChunkStore()) => {
    const asked: string[] = [];
    const loader = new ShardLoader({
      ...doors(factory, store),
      fetchChunk: async ({ sha256 }) => {
        asked.push(sha256);
        await sleep(2);
        return (await origin.read(sha256)) ?? Promise.reject(new Error('no such chunk'));
      },
    });
    return { loader, asked, hash: loader.addModel(manifest) };
  };

  it('[H10] a device whose kernels fail their check downloads no shard', async () => {
    const wrong = new FaultError('engine/wrong-answer', 'other bits');
    const { loader, asked, hash } = make(() => Promise.reject(wrong));
    await expect(loader.fetch({ hash, range: RANGE, purpose: 'shard' })).rejects.toBe(wrong);
    await sleep(50);
    expect(asked.length).toBeLessThanOrEqual(FETCH.concurrentMax);
  });

  it('[H10] the check and the download go on side by side', async () => {
    let pass = (): void => undefined;
    const { loader, asked, hash } = make(
      () => new Promise((resolve) => (pass = () => resolve(cpuStageFactory(kernels)))),
    );
    const fetching = loader.fetch({ hash, range: RANGE, purpose: 'shard' });
    await expect.poll(() => asked.length).toBe(12);
    pass();
    expect((await fetching).cacheBytes).toBe(0);
  });

  it('[H10] a fetch says within a second that bytes come, whole chunks or none', async () => {
    const heard: ShardProgress[] = [];
    const piece = { sha256: '', bytes: 0 };
    let finish = (): void => undefined;
    const loader = new ShardLoader({
      ...doors(() => Promise.resolve(cpuStageFactory(kernels)), memoryChunkStore()),
      fetchChunk: async ({ sha256, bytes }, _signal, doors) => {
        Object.assign(piece, { sha256, bytes });
        for (let i = 0; i < 100; i += 1) doors?.onBytes?.();
        await new Promise<void>((resolve) => (finish = resolve));
        return (await origin.read(sha256)) ?? Promise.reject(new Error('no such chunk'));
      },
      onProgress: (progress) => heard.push(progress),
    });
    const order = { hash: loader.addModel(manifest), range: { first: 3, last: 3 } };
    const fetching = loader.fetch({ ...order, purpose: 'shard' });
    await expect.poll(() => heard.length).toBe(1);
    expect(heard[0]).toMatchObject({ chunk: null, bytesDone: 0, networkBytes: 0 });
    finish();
    await fetching;
    expect(heard.map(({ chunk }) => chunk)).toEqual([null, { ...piece, from: 'network' }]);
  });

  it('[K11] a full store gives the room of other models to the shard, and keeps this one', async () => {
    const range = { first: 1, last: 4 };
    const [shard, before] = [storedBytes(manifest, range), partOf(manifest, 'layer/0').bytes];
    let nowMs = 0;
    const store = memoryChunkStore({ bytesMax: shard + before + 100, nowMs: () => nowMs });
    const others = [1, 2, 3].map((value) => new Uint8Array(100).fill(value));
    for (const bytes of others) {
      nowMs += 1;
      await store.write(sha256Hex(bytes) as ChunkHash, bytes, 'other' as ModelId);
    }
    const own = must(chunkRefs(partOf(manifest, 'layer/0'))[0], 'a part has a chunk').sha256;
    nowMs = 0;
    await store.write(own, must(await origin.read(own), 'it is here'), manifest.id);

    const { loader, hash } = make(() => Promise.resolve(cpuStageFactory(kernels)), store);
    const { networkBytes } = await loader.fetch({ hash, range, purpose: 'shard' });
    expect(networkBytes).toBe(shard);
    expect(await store.has(own)).toBe(true);
    const left = (await store.list()).filter(({ model }) => model === 'other');
    expect(left.map(({ lastUsedMs }) => lastUsedMs)).toEqual([3]);

    const more = loader.fetch({ hash, range: { first: 5, last: 5 }, purpose: 'shard' });
    await expect(more).rejects.toMatchObject({ code: 'package/storage-full' });
    expect(await store.bytes()).toBe(shard + before);
  });
});
