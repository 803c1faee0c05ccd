import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkFetcher } from './retry.ts';

/** Client errors that another attempt may cure: time-out, too early, too many requests. */
const PASSING = new Set([408, 425, 429]);

/** Bytes taken from a stream at a time, into one buffer that is used again. */
const PIECE_BYTES = 256 * 1024;

/**
 * The chunk store is the cache. The browser's own would keep every byte a second time, and answer
 * the attempt after a damaged chunk with the same damage.
 */
const cache = 'no-store';

/**
 * Chunks by HTTP from a gateway. `origin` is like `http://localhost:3000`, without a slash.
 * At most the declared bytes are read, whatever the server sends.
 */
export const httpChunkFetcher =
  (origin: string): ChunkFetcher =>
  async (ref, signal, doors = {}) => {
    const response = await fetch(`${origin}/models/chunks/${ref.sha256}`, { signal, cache });
    if (response.ok && response.body) {
      const bytes = doors.allocate?.(ref.bytes) ?? new Uint8Array(ref.bytes);
      return readExactly(response.body, bytes, doors.onBytes);
    }
    await response.body?.cancel();
    const { status } = response;
    const isFinal = status >= 400 && status < 500 && !PASSING.has(status);
    const code = isFinal ? 'package/not-found' : 'package/fetch-failed';
    throw new FaultError(code, `chunk ${ref.sha256}: HTTP ${status}`, { details: { status } });
  };

/** Fills `bytes`. */
async function readExactly(
  body: ReadableStream<Uint8Array>,
  bytes: Uint8Array<ArrayBuffer>,
  onBytes?: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = pieceReader(body);
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > bytes.length) {
        throw new FaultError('package/hash-mismatch', 'more bytes came than the chunk has');
      }
      bytes.set(value, at);
      at += value.length;
      onBytes?.();
    }
  } finally {
    await reader.cancel();
  }
  if (at !== bytes.length) throw new FaultError('package/fetch-failed', 'the chunk was cut short');
  return bytes;
}

interface PieceReader {
  /** A piece to be looked at before the next is asked for. */
  read(): Promise<ReadableStreamReadResult<Uint8Array>>;
  cancel(): Promise<void>;
}

/**
 * All pieces in one buffer where the browser can: a hundred megabytes that come in arrays of 4 KB
 * are memory that is collected late. Safari before 26 cannot fill a buffer of ours.
 */
function pieceReader(body: ReadableStream<Uint8Array>): PieceReader {
  const filler = fillingReader(body);
  if (!filler) return body.getReader();
  let room = new Uint8Array(PIECE_BYTES);
  return {
    async read() {
      const result = await filler.read(room);
      if (result.value) room = new Uint8Array(result.value.buffer);
      return result;
    },
    cancel: () => filler.cancel(),
  };
}

function fillingReader(body: ReadableStream): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return null;
  }
}
