import { afterEach, describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';

const bytes = Uint8Array.from({ length: 700_001 }, (_, i) => i * 31);
const ref = { sha256: sha256Hex(bytes) as ChunkHash, bytes: bytes.length, at: 0 };
const signal = new AbortController().signal;

/** A body of these bytes in pieces of 4 099, with and without reads into the reader's buffer. */
function bodyOf(type: 'bytes' | undefined, content: Uint8Array): ReadableStream {
  let at = 0;
  const pull = (controller: ReadableStreamDefaultController | ReadableByteStreamController) => {
    if (at < content.length) controller.enqueue(content.slice(at, (at += 4099)));
    else {
      controller.close();
      if ('byobRequest' in controller) controller.byobRequest?.respond(0);
    }
  };
  return type ? new ReadableStream({ type, pull }) : new ReadableStream({ pull });
}

describe.each([undefined, 'bytes' as const])('a chunk from a stream of type %s', (type) => {
  const answer = (content: Uint8Array): void => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(bodyOf(type, content))));
  };
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  const fetchChunk = httpChunkFetcher('http://origin');

  it('[K6] is put together from its pieces, in the room that is given', async () => {
    answer(bytes);
    const room = new Uint8Array(bytes.length);
    expect(await fetchChunk(ref, signal, { allocate: () => room })).toBe(room);
    expect(Buffer.compare(room, bytes)).toBe(0);
    answer(bytes);
    expect(Buffer.compare(await fetchChunk(ref, signal), bytes)).toBe(0);
  });

  it('[K6] says whenever bytes have come', async () => {
    answer(bytes);
    const onBytes = vi.fn();
    await fetchChunk(ref, signal, { onBytes });
    expect(onBytes.mock.calls.length).toBeGreaterThanOrEqual(bytes.length / (256 * 1024));
  });

  it('[K6] is refused when it is too long or cut short', async () => {
    answer(Uint8Array.from([...bytes, 1]));
    await expect(fetchChunk(ref, signal)).rejects.toMatchObject({ code: 'package/hash-mismatch' });
    answer(bytes.slice(1));
    await expect(fetchChunk(ref, signal)).rejects.toMatchObject({ code: 'package/fetch-failed' });
  });
});
