import { sha256HexFast } from '#lib/kernel/digest.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import type { Allocate, ChunkBuffers } from './chunk-buffers.ts';
import { FETCH } from './limits.ts';
import type { ChunkRef } from './manifest.ts';
import { Silence } from './silence.ts';

export interface FetcherDoors {
  /** Where the chunk is put together. */
  readonly allocate?: Allocate | undefined;
  /** Whenever bytes of the chunk have come: one that says nothing is taken for dead. */
  readonly onBytes?: () => void;
}

/**
 * Brings a chunk from somewhere: the origin, later a neighbour. Its bytes are not trusted; they lie
 * in the room that `allocate` gives where the fetcher can.
 * Rejects with `package/not-found` where asking again is useless.
 */
export type ChunkFetcher = (
  ref: ChunkRef,
  signal: AbortSignal,
  doors?: FetcherDoors,
) => Promise<Uint8Array<ArrayBuffer>>;

export interface RetryPolicy {
  readonly attemptsMax: number;
  readonly firstDelayMs: number;
}

const DEFAULT_POLICY: RetryPolicy = {
  attemptsMax: FETCH.attemptsMax,
  firstDelayMs: FETCH.firstDelayMs,
};

interface AttemptOptions {
  readonly fetchChunk: ChunkFetcher;
  readonly onBytes?: () => void;
  readonly buffers?: ChunkBuffers | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/**
 * A chunk with the right hash, asked for a bounded number of times with growing pauses.
 * @throws FaultError the last attempt's; `kernel/aborted` once `signal` fired.
 */
export async function attemptChunk(
  ref: ChunkRef,
  options: AttemptOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { attemptsMax, firstDelayMs } = options.retry ?? DEFAULT_POLICY;
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(options.signal);
    try {
      return await verified(ref, options);
    } catch (error) {
      throwIfAborted(options.signal);
      const fault = toFault(error, 'package/fetch-failed');
      if (attempt >= attemptsMax || isFault(fault, 'package/not-found')) throw fault;
      const delayMs = Math.min(firstDelayMs * 2 ** (attempt - 1), FETCH.delayMsMax);
      // Thirty tabs that lost one server must not all come back in the same instant.
      await pause(delayMs * (0.5 + Math.random()), options.signal);
    }
  }
}

async function verified(ref: ChunkRef, options: AttemptOptions): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await brought(ref, options);
  if (bytes.length !== ref.bytes || (await sha256HexFast(bytes)) !== ref.sha256) {
    throw new FaultError('package/hash-mismatch', `chunk ${ref.sha256} came with other bytes`);
  }
  return bytes;
}

async function brought(ref: ChunkRef, options: AttemptOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { silenceMsMax: silenceMs, attemptMsMax: totalMs } = FETCH;
  const silence = new Silence({ silenceMs, totalMs });
  const signal = AbortSignal.any([silence.signal, ...(options.signal ? [options.signal] : [])]);
  const onBytes = (): void => {
    silence.heard();
    options.onBytes?.();
  };
  try {
    return await options.fetchChunk(ref, signal, { allocate: options.buffers?.take, onBytes });
  } finally {
    silence.end();
  }
}

/** @throws FaultError `kernel/aborted`, or the fault that was the signal's reason. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof FaultError) throw signal.reason;
  throw new FaultError('kernel/aborted', 'stopped on request', { cause: signal.reason });
}

/** Waits, or rejects as soon as the signal fires. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
