import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { malformed, type Reader, type Writer } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';

/**
 * Messages that nobody signs: the link says whose they are, and they prove nothing to a third. A lie in
 * one costs its sender's peers some bytes and changes no vote.
 */

/** A client's bytes, opaque here. */
export interface RequestMessage {
  readonly type: 'request';
  readonly request: Uint8Array;
}

/** Where the sender stands: who knows more sends what is missing. */
export interface Status {
  readonly type: 'status';
  readonly epoch: number;
  readonly view: number;
  /** In a view change to `view`. */
  readonly isChanging: boolean;
  readonly executed: number;
  readonly stable: number;
}

/** The primary lives. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly epoch: number;
  readonly view: number;
}

/** Asks for the batch with this digest. */
export interface Fetch {
  readonly type: 'fetch';
  readonly digest: Uint8Array;
}

export interface Body {
  readonly type: 'body';
  readonly batch: Uint8Array;
}

/** Asks for a certified state above this sequence; `epoch`: whose members the asker knows. */
export interface FetchState {
  readonly type: 'fetch-state';
  readonly epoch: number;
  readonly above: number;
}

export const writeRequest = (out: Writer, { request }: RequestMessage): Writer => out.blob(request);
export const readRequest = (from: Reader): RequestMessage => ({
  type: 'request',
  request: from.blob(LIMITS.requestBytesMax),
});

export const writeStatus = (out: Writer, message: Status): Writer =>
  out
    .u64(message.epoch)
    .u64(message.view)
    .u8(message.isChanging ? 1 : 0)
    .u64(message.executed)
    .u64(message.stable);
export const readStatus = (from: Reader): Status => ({
  type: 'status',
  epoch: from.u64(),
  view: from.u64(),
  isChanging: readFlag(from),
  executed: from.u64(),
  stable: from.u64(),
});

export const writeHeartbeat = (out: Writer, { epoch, view }: Heartbeat): Writer =>
  out.u64(epoch).u64(view);
export const readHeartbeat = (from: Reader): Heartbeat => ({
  type: 'heartbeat',
  epoch: from.u64(),
  view: from.u64(),
});

export const writeFetch = (out: Writer, { digest }: Fetch): Writer => out.raw(digest);
export const readFetch = (from: Reader): Fetch => ({
  type: 'fetch',
  digest: from.raw(HASH_BYTES),
});

export const writeBody = (out: Writer, { batch }: Body): Writer => out.blob(batch);
export const readBody = (from: Reader): Body => ({
  type: 'body',
  batch: from.blob(LIMITS.batchBytesMax),
});

export const writeFetchState = (out: Writer, { epoch, above }: FetchState): Writer =>
  out.u64(epoch).u64(above);
export const readFetchState = (from: Reader): FetchState => ({
  type: 'fetch-state',
  epoch: from.u64(),
  above: from.u64(),
});

function readFlag(from: Reader): boolean {
  const value = from.u8();
  if (value > 1) throw malformed('a flag is 0 or 1');
  return value === 1;
}
