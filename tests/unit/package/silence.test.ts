import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { FETCH, PACKAGE } from '#lib/shard/package/limits.ts';
import { attemptChunk, type ChunkFetcher } from '#lib/shard/package/retry.ts';

const bytes = new Uint8Array(64).fill(7);
const ref = { sha256: sha256Hex(bytes) as ChunkHash, bytes: bytes.length, at: 0 };

/** Comes after `pieces` pauses, each ended by some bytes; an attempt that is ended rejects. */
const slow =
  (pieces: number, pauseMs: number): ChunkFetcher =>
  (_ref, signal, doors) =>
    new Promise((resolve, reject) => {
      let left = pieces;
      const timer = setInterval(() => {
        left -= 1;
        doors?.onBytes?.();
        if (left === 0) resolve(bytes);
      }, pauseMs);
      signal.addEventListener('abort', () => {
        clearInterval(timer);
        reject(signal.reason as Error);
      });
    });

describe('a line that is slow and one that is dead', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('[K6] a chunk may take as long as bytes come', async () => {
    const pauseMs = FETCH.silenceMsMax * 0.9;
    const fetchChunk = vi.fn(slow(50, pauseMs));
    const chunk = attemptChunk(ref, { fetchChunk });
    await vi.advanceTimersByTimeAsync(50 * pauseMs);
    expect(await chunk).toBe(bytes);
    expect(fetchChunk).toHaveBeenCalledOnce();
    // What four chunks at once take over 0.1 Mbit/s is no reason to give one up.
    expect(FETCH.attemptMsMax).toBeGreaterThan(
      (FETCH.concurrentMax * PACKAGE.chunkBytesMax * 8 * 1000) / 100_000,
    );
  });

  it('[K6] one without a byte for 20 s is asked for again', async () => {
    const fetchChunk = vi.fn<ChunkFetcher>();
    fetchChunk.mockImplementationOnce(slow(2, FETCH.silenceMsMax + 1));
    fetchChunk.mockImplementationOnce(slow(1, 10));
    const chunk = attemptChunk(ref, { fetchChunk, retry: { attemptsMax: 2, firstDelayMs: 0 } });
    await vi.advanceTimersByTimeAsync(FETCH.silenceMsMax - 1);
    expect(fetchChunk).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(20);
    expect(await chunk).toBe(bytes);
    expect(fetchChunk).toHaveBeenCalledTimes(2);
  });

  it('[K6] one that comes in drops is given up all the same', async () => {
    const chunk = attemptChunk(ref, {
      ...{ fetchChunk: slow(1e6, 1_000), retry: { attemptsMax: 1, firstDelayMs: 0 } },
    });
    const refused = expect(chunk).rejects.toMatchObject({ code: 'package/fetch-failed' });
    await vi.advanceTimersByTimeAsync(FETCH.attemptMsMax);
    await refused;
  });

  it('[K6] the last attempt says so', async () => {
    const fetchChunk = slow(1, FETCH.silenceMsMax + 1);
    const chunk = attemptChunk(ref, { fetchChunk, retry: { attemptsMax: 1, firstDelayMs: 0 } });
    const refused = expect(chunk).rejects.toMatchObject({
      ...{ code: 'package/fetch-failed', message: 'no byte in 20000 ms' },
    });
    await vi.advanceTimersByTimeAsync(FETCH.silenceMsMax);
    await refused;
    expect(vi.getTimerCount()).toBe(0);
  });
});
