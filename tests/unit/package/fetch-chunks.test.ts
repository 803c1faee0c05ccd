import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import type { StoredTensor } from '#lib/webgpu/model.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { fetchParts, fetchRange, type FetchProgress } from '#lib/shard/package/fetch-chunks.ts';
import { chunkRefs, partOf, type Manifest } from '#lib/shard/package/manifest.ts';
import type { ChunkFetcher } from '#lib/shard/package/retry.ts';
import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { fsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { storedTokenizerBytes, storedWeights } from '#lib/shard/package/stored-weights.ts';
import { goldenPath } from '#tests/support/golden.ts';

const PARTS = ['layer/0', 'layer/1', 'final-norm'] as const;
const FAST = { attemptsMax: 3, firstDelayMs: 1 };

let root = '';
let manifest: Manifest;
let origin: ChunkStore;
let asked: string[] = [];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-fetch-'));
  const path = goldenPath('gguf/tiny-q8_0.gguf');
  ({ manifest } = await importModel({ path, root, id: 'tiny' as ModelId }));
  origin = fsChunkStore(join(root, 'tiny/chunks'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(() => {
  asked = [];
});

const fromOrigin: ChunkFetcher = async (ref) => {
  asked.push(ref.sha256);
  return (await origin.read(ref.sha256)) ?? Promise.reject(new Error('no such chunk'));
};
const partBytes = (): number => PARTS.reduce((sum, key) => sum + partOf(manifest, key).bytes, 0);
const firstChunk = (key: (typeof PARTS)[number]): ChunkHash => {
  const [ref] = chunkRefs(partOf(manifest, key));
  if (!ref) throw new Error('a part has a chunk');
  return ref.sha256;
};
const fetchInto = (store: ChunkStore, fetchChunk: ChunkFetcher = fromOrigin, more = {}) =>
  fetchParts({ manifest, parts: PARTS, store, fetchChunk, retry: FAST, ...more });

describe('fetching parts', () => {
  it('[K6] asks for what the parts need, once, and nothing the second time', async () => {
    const store = memoryChunkStore();
    const seen: FetchProgress[] = [];
    const first = await fetchInto(store, fromOrigin, {
      onProgress: (progress: FetchProgress) => seen.push(progress),
    });
    expect(first).toEqual({ totalBytes: partBytes(), cachedBytes: 0, networkBytes: partBytes() });
    expect(seen.at(-1)).toEqual(first);
    expect(asked).toHaveLength(PARTS.length);
    const second = await fetchInto(store);
    expect(second).toEqual({ totalBytes: partBytes(), cachedBytes: partBytes(), networkBytes: 0 });
    expect(asked).toHaveLength(PARTS.length);
  });

  it('[K6] after chunks went away asks for exactly those', async () => {
    const store = memoryChunkStore();
    await fetchInto(store);
    await store.delete(firstChunk('layer/1'));
    asked = [];
    await fetchInto(store);
    expect(asked).toEqual([firstChunk('layer/1')]);
  });

  it('[K6] never stores wrong bytes, and gives up after a bounded number of attempts', async () => {
    const store = memoryChunkStore();
    let attempts = 0;
    const poisoned: ChunkFetcher = async (ref) => {
      const bytes = (await origin.read(ref.sha256)) ?? new Uint8Array(0);
      if (ref.sha256 !== firstChunk('layer/0')) return bytes;
      attempts += 1;
      bytes[7] = (bytes[7] ?? 0) ^ 1;
      return bytes;
    };
    await expect(fetchInto(store, poisoned)).rejects.toMatchObject({
      code: 'package/hash-mismatch',
    });
    expect(attempts).toBe(FAST.attemptsMax);
    expect(await store.has(firstChunk('layer/0'))).toBe(false);
  });

  it('[K6] survives a source that fails now and then', async () => {
    const store = memoryChunkStore();
    const failed = new Set<string>();
    const flaky: ChunkFetcher = (ref, signal) => {
      if (failed.has(ref.sha256)) return fromOrigin(ref, signal);
      failed.add(ref.sha256);
      return Promise.reject(new TypeError('network'));
    };
    expect((await fetchInto(store, flaky)).networkBytes).toBe(partBytes());
  });

  it('[K6] does not ask again for what the origin does not have', async () => {
    let attempts = 0;
    const gone: ChunkFetcher = () => {
      attempts += 1;
      return Promise.reject(new FaultError('package/not-found', 'gone'));
    };
    const refusal = fetchParts({
      manifest,
      parts: ['final-norm'],
      store: memoryChunkStore(),
      fetchChunk: gone,
    });
    await expect(refusal).rejects.toMatchObject({ code: 'package/not-found' });
    expect(attempts).toBe(1);
  });

  it('[K6] says storage-full and keeps what is there', async () => {
    const store = memoryChunkStore({ bytesMax: partOf(manifest, 'layer/0').bytes + 2000 });
    await expect(fetchInto(store)).rejects.toMatchObject({ code: 'package/storage-full' });
    expect(await store.bytes()).toBeGreaterThan(0);
  });

  it('[K6] stops at once when asked, and resumes', async () => {
    const store = memoryChunkStore();
    const stop = new AbortController();
    const endless: ChunkFetcher = async (ref, signal) => {
      if (ref.sha256 !== firstChunk('layer/1')) return fromOrigin(ref, signal);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    };
    const stopped = fetchInto(store, endless, {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'kernel/aborted' });
    asked = [];
    const { cachedBytes, networkBytes } = await fetchInto(store);
    expect(asked).toContain(firstChunk('layer/1'));
    expect(cachedBytes + networkBytes).toBe(partBytes());
    expect(cachedBytes).toBeGreaterThan(0);
  });

  it('[K6] two at once over one store ask for each chunk once, and write it once', async () => {
    const store = memoryChunkStore();
    const written: string[] = [];
    const counted: ChunkStore = {
      ...store,
      write(hash, ...rest) {
        written.push(hash);
        return store.write(hash, ...rest);
      },
    };
    const both = await Promise.all([fetchInto(counted), fetchInto(counted)]);
    expect(asked).toHaveLength(PARTS.length);
    expect(written.sort()).toEqual(asked.sort());
    expect(both.reduce((sum, { networkBytes }) => sum + networkBytes, 0)).toBe(partBytes());
    expect(both.map(({ totalBytes }) => totalBytes)).toEqual([partBytes(), partBytes()]);
  });

  it('[K6] has at most four requests at once', async () => {
    let now = 0;
    let most = 0;
    const counted: ChunkFetcher = async (ref, signal) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      return fromOrigin(ref, signal);
    };
    const parts = manifest.parts.map((part) => part.key as 'embedding');
    await fetchParts({ manifest, parts, store: memoryChunkStore(), fetchChunk: counted });
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });
});

describe('stored weights', () => {
  const digest = (tensor?: StoredTensor) => sha256Hex(tensor?.bytes ?? new Uint8Array(0));

  it('[K6] are checked at every load; rotten and evicted chunks come again', async () => {
    const store = memoryChunkStore();
    await fetchInto(store);
    const weights = storedWeights(manifest, { store, fetchChunk: fromOrigin, retry: FAST });
    const before = (await weights.part('layer/0')).get('attn-q');
    const rotten = (await store.read(firstChunk('layer/0'))) ?? new Uint8Array(0);
    rotten[1000] = (rotten[1000] ?? 0) ^ 1;
    await store.write(firstChunk('layer/0'), rotten, manifest.id);
    await store.delete(firstChunk('layer/1'));
    asked = [];
    const after = (await weights.part('layer/0')).get('attn-q');
    expect(digest(after)).toBe(digest(before));
    await weights.part('layer/1');
    await weights.part('layer/1');
    expect(asked).toEqual([firstChunk('layer/0'), firstChunk('layer/1')]);
    expect(await store.has(firstChunk('layer/0'))).toBe(true);
  });

  it('[K6] load from a full store all the same', async () => {
    const store = memoryChunkStore({ bytesMax: 0 });
    const weights = storedWeights(manifest, { store, fetchChunk: fromOrigin, retry: FAST });
    expect((await weights.part('final-norm')).get('final-norm')?.cols).toBe(256);
  });

  it('[K1] are views at 64-byte borders of one buffer a part', async () => {
    const weights = storedWeights(manifest, { store: origin, fetchChunk: fromOrigin });
    const tensors = [...(await weights.part('layer/0')).values()];
    expect(tensors.map(({ bytes }) => bytes.byteOffset % 64)).toEqual(tensors.map(() => 0));
    expect(new Set(tensors.map(({ bytes }) => bytes.buffer)).size).toBe(1);
  });

  it('[K6] the tokenizer comes with the last range alone, and is read the same way', async () => {
    const store = memoryChunkStore();
    const reader = { store, fetchChunk: fromOrigin, retry: FAST };
    const { layers } = manifest.shape;
    await fetchRange({ manifest, range: { first: 0, last: layers - 2 }, ...reader });
    const [tokenizer] = chunkRefs(manifest.tokenizer);
    expect(await store.has(tokenizer!.sha256)).toBe(false);
    await fetchRange({ manifest, range: { first: layers - 1, last: layers - 1 }, ...reader });
    asked = [];
    const bytes = await storedTokenizerBytes(manifest, reader);
    expect([bytes.length, asked]).toEqual([manifest.tokenizer.bytes, []]);
  });
});
