import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkFetcher } from './retry.ts';

/** Client errors that another attempt may cure: time-out, too early, too many requests. */
const PASSING = new Set([408, 425, 429]);

/**
 * Chunks by HTTP from a gateway. `origin` is like `http://localhost:3000`, without a slash.
 * At most the declared bytes are read, whatever the server sends.
 */
export const httpChunkFetcher =
  (origin: string): ChunkFetcher =>
  async (ref, signal) => {
    const response = await fetch(`${origin}/models/chunks/${ref.sha256}`, { signal });
    if (response.ok && response.body) return readExactly(response.body, ref.bytes);
    await response.body?.cancel();
    const { status } = response;
    const isFinal = status >= 400 && status < 500 && !PASSING.has(status);
    const code = isFinal ? 'package/not-found' : 'package/fetch-failed';
    throw new FaultError(code, `chunk ${ref.sha256}: HTTP ${status}`, { details: { status } });
  };

async function readExactly(
  body: ReadableStream<Uint8Array>,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const reader = body.getReader();
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > length) {
        throw new FaultError('package/hash-mismatch', 'more bytes came than the chunk has');
      }
      bytes.set(value, at);
      at += value.length;
    }
  } finally {
    await reader.cancel();
  }
  if (at !== length) throw new FaultError('package/fetch-failed', 'the chunk was cut short');
  return bytes;
}
