import { beforeAll, describe, expect, it } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import { FETCH } from '#lib/shard/package/limits.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { fsChunkStore, readManifest } from '#lib/shard/package/server.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { ShardLoader, type ShardLoaderDoors } from '#lib/shard/stage/shard-loader.ts';

const FOLDER = 'public/models/smollm2-135m-instruct';
const RANGE = { first: 1, last: 12 };

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let manifest: Manifest;
let kernels: WebAssembly.Module;
beforeAll(async () => {
  kernels = await loadKernels();
  manifest = await readManifest(FOLDER);
});

describe('a shard loader', () => {
  const origin = fsChunkStore(`${FOLDER}/chunks`);
  const make = (factory: ShardLoaderDoors['factory']) => {
    const store = memoryChunkStore();
    const asked: string[] = [];
    const loader = new ShardLoader({
      store: () => Promise.resolve(store),
      fetchChunk: async ({ sha256 }) => {
        asked.push(sha256);
        await sleep(2);
        return (await origin.read(sha256)) ?? Promise.reject(new Error('no such chunk'));
      },
      factory,
      memoryBytes: () => 0,
      memoryLentBytes: 2 ** 30,
      onProgress: () => undefined,
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
});
