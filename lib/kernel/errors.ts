/**
 * The world's faults: everything that bad input, a peer, a disk or a network can do to us.
 * A closed list; `code` is matched, never `message`. Status and user text: `server/gateway/errors`.
 */
export const FAULT_CODES = [
  'kernel/aborted',
  'kernel/timeout',
  'package/unsupported',
  'package/malformed',
  'package/too-large',
  'package/not-found',
  'package/exists',
  'package/hash-mismatch',
  'package/fetch-failed',
  'package/storage-full',
  'package/busy',
  'engine/unsupported',
  'engine/out-of-memory',
  'engine/wrong-answer',
  'engine/lost',
  'engine/no-pages',
  'wire/malformed',
  'wire/too-large',
  'wire/version',
  'mesh/refused',
  'mesh/bad-signature',
  'mesh/limit',
  'mesh/closed',
  'mesh/no-path',
  'session/lost',
  'session/cancelled',
  'session/context-length',
  'session/no-cover',
  'session/queue-full',
  'request/invalid',
  'request/unsupported',
  'request/too-large',
  'request/head-too-large',
  'request/media-type',
  'request/timeout',
  'request/key-reused',
  'request/model-not-found',
  'request/not-found',
  'request/method-not-allowed',
  'ledger/insufficient-credit',
  'ledger/over-limit',
  'ledger/over-hold',
  'ledger/unknown-account',
  'ledger/unknown-hold',
  'ledger/not-authorised',
  'ledger/id-conflict',
  'ledger/hold-closed',
  'ledger/hold-expired',
  'ledger/nonce-too-old',
  'ledger/expired',
  'ledger/unproven',
  'ledger/busy',
  'ledger/no-quorum',
  'ledger/stale',
  'ledger/outcome-unknown',
  'ledger/conflicting-certificates',
  'ledger/folder-in-use',
  'ledger/other-chain',
  'ledger/damaged',
  'ledger/storage-failed',
  'server/port-in-use',
  'server/stopping',
  'server/config',
] as const;

export type FaultCode = (typeof FAULT_CODES)[number];

export interface FaultWire {
  readonly code: FaultCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, string | number>>;
}

/** A fault of the world, with a closed `code`; survives a worker or a socket by `toWire`. */
export class FaultError extends Error {
  override readonly name = 'FaultError';
  readonly code: FaultCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: FaultCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, string | number>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  toWire(): FaultWire {
    return { code: this.code, message: this.message, details: this.details };
  }

  static fromWire(wire: FaultWire): FaultError {
    return new FaultError(wire.code, wire.message, wire.details ? { details: wire.details } : {});
  }
}

export const isFault = (error: unknown, code?: FaultCode): error is FaultError =>
  error instanceof FaultError && (code === undefined || error.code === code);

/** Any thrown value as a `FaultError`; what is not one becomes `fallback`. */
export const toFault = (error: unknown, fallback: FaultCode): FaultError =>
  error instanceof FaultError
    ? error
    : new FaultError(fallback, error instanceof Error ? error.message : String(error), {
        cause: error,
      });
