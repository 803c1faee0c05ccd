import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { ChunkBuffers } from '#lib/shard/package/chunk-buffers.ts';
import { fetchParts, neverFetch } from '#lib/shard/package/fetch-chunks.ts';
import { FETCH, PACKAGE } from '#lib/shard/package/limits.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { fsChunkStore, readManifest } from '#lib/shard/package/server.ts';
import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { storedWeights } from '#lib/shard/package/stored-weights.ts';
import type { PartKey } from '#lib/webgpu/model.ts';

const FOLDER = 'public/models/smollm2-135m-instruct';
const LAYERS: readonly PartKey[] = ['layer/0', 'layer/1', 'layer/2', 'layer/3', 'layer/4'];

let manifest: Manifest;
const disk = fsChunkStore(join(FOLDER, 'chunks'));
beforeAll(async () => {
  manifest = await readManifest(FOLDER);
});

/** The files' chunks, in the room that the reader gives, as in a tab; notes each buffer. */
function roomyStore(seen: Set<ArrayBuffer>): ChunkStore {
  return {
    ...disk,
    async read(hash, allocate) {
      const bytes = await disk.read(hash);
      const room = bytes && allocate?.(bytes.length);
      if (!room) return bytes;
      seen.add(room.buffer);
      room.set(bytes);
      return room;
    },
  };
}

describe('buffers of chunks', () => {
  it('[K10] are given out again, and only once', () => {
    const buffers = new ChunkBuffers();
    const first = buffers.take(1000);
    const second = buffers.take(2000);
    expect(second.buffer).not.toBe(first.buffer);
    expect([first.length, second.length]).toEqual([1000, 2000]);
    buffers.give(first);
    buffers.give(first);
    const third = buffers.take(PACKAGE.chunkBytesMax);
    expect(third.buffer).toBe(first.buffer);
    expect(buffers.take(1).buffer).not.toBe(first.buffer);
  });

  it('[K10] leave bytes of others alone, take too long ones, and can be forgotten', () => {
    const buffers = new ChunkBuffers();
    const foreign = new Uint8Array(16);
    const long = buffers.take(PACKAGE.chunkBytesMax + 1);
    const taken = buffers.take(16);
    for (const bytes of [foreign, long, taken]) buffers.give(bytes);
    expect(buffers.take(16).buffer).toBe(taken.buffer);
    buffers.give(taken);
    buffers.forget();
    expect(buffers.take(16).buffer).not.toBe(taken.buffer);
  });

  it('[K10] weights of many chunks pass through a few, and are the same', async () => {
    const seen = new Set<ArrayBuffer>();
    const plain = storedWeights(manifest, { store: disk, fetchChunk: neverFetch });
    const pooled = storedWeights(manifest, {
      store: roomyStore(seen),
      fetchChunk: neverFetch,
      buffers: new ChunkBuffers(),
    });
    const keys: readonly PartKey[] = ['embedding', ...LAYERS];
    for (const key of keys) {
      const [part, expected] = [await pooled.part(key), await plain.part(key)];
      for (const [name, { bytes }] of part) {
        expect(sha256Hex(bytes), `${key}: ${name}`).toBe(
          sha256Hex(expected.get(name)?.bytes ?? new Uint8Array()),
        );
      }
      pooled.release?.(key);
    }
    expect(seen.size).toBeLessThanOrEqual(FETCH.readAheadMax + 1);
  });

  it('[K10] a part of many chunks goes at its release', async () => {
    const weights = storedWeights(manifest, { store: disk, fetchChunk: neverFetch });
    const tensor = (await weights.part('embedding')).get('embedding');
    expect(tensor?.bytes.length).toBeGreaterThan(PACKAGE.chunkBytesMax);
    weights.release?.('embedding');
    expect(tensor?.bytes.length).toBe(0);
  });

  it('[K10] a download takes as many as chunks are on their way', async () => {
    const seen = new Set<ArrayBuffer>();
    const source = roomyStore(seen);
    const store = memoryChunkStore();
    const done = await fetchParts({
      manifest,
      parts: ['embedding', ...LAYERS],
      store,
      buffers: new ChunkBuffers(),
      fetchChunk: async ({ sha256 }, _signal, doors) =>
        (await source.read(sha256, doors?.allocate)) ?? Promise.reject(new Error('no such chunk')),
    });
    expect(seen.size).toBeLessThanOrEqual(FETCH.concurrentMax);
    for (const { sha256 } of await store.list()) {
      expect(sha256Hex((await store.read(sha256)) ?? new Uint8Array())).toBe(sha256);
    }
    expect(await store.bytes()).toBe(done.networkBytes);
  });
});
