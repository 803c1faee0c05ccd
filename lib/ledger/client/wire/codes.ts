import { FaultError, type FaultCode } from '#lib/kernel/errors.ts';
import { malformed } from '#lib/ledger/pbft/codec/bytes.ts';

/**
 * Why a replica does not answer with what was asked, one byte. None of it is proven: one replica's word.
 * The place in this list is the byte; it is never given anew.
 */
export const REFUSALS = [
  /** The bytes are no frame, or no transaction of this chain with a signature that holds. */
  'wire/malformed',
  /** Its queue is full, or the key acts too often: again after `retryAfterMs`. */
  'ledger/busy',
  /** It hears fewer than q − 1 others, so nothing can be ordered through it. */
  'ledger/no-quorum',
  /** It has not yet executed what `minSequence` asks for. */
  'ledger/stale',
  /** The transaction waits here, and is not executed yet. */
  'ledger/outcome-unknown',
  /** It keeps no such transaction, block or header (any more). */
  'request/not-found',
  /** Its door: `validUntilMs` is over. */
  'ledger/expired',
  /** Its door: no account, gateway or operator has this key. */
  'ledger/not-authorised',
  /** Its door: the nonce is below all that it keeps of this key. */
  'ledger/nonce-too-old',
  'server/stopping',
  /** Its door: `validUntilMs` is too far off. */
  'ledger/over-limit',
  'ledger/unknown-account',
  /** Its door: the nonce is another transaction's. */
  'ledger/id-conflict',
] as const satisfies readonly FaultCode[];

export type Refusal = (typeof REFUSALS)[number];

export const isRefusal = (code: FaultCode): code is Refusal =>
  (REFUSALS as readonly FaultCode[]).includes(code);

export const refusalByte = (code: Refusal): number => REFUSALS.indexOf(code);

/** @throws FaultError wire/malformed */
export function refusalAt(byte: number): Refusal {
  const code = REFUSALS[byte];
  if (code === undefined) throw malformed('a refusal of an unknown kind');
  return code;
}

const TEXTS: Readonly<Record<Refusal, string>> = {
  'wire/malformed':
    'the replica does not understand the request: is it of the same version, network and key?',
  'ledger/busy': 'the replica has too much to do: try again later',
  'ledger/no-quorum': 'too few replicas hear one another: nothing can be ordered now',
  'ledger/stale': 'the replica is behind what was asked for',
  'ledger/outcome-unknown': 'the transaction waits to be ordered: ask again',
  'request/not-found': 'the replica keeps no such transaction, block or header',
  'ledger/expired': 'the transaction is not valid any more: make a new one',
  'ledger/not-authorised': 'no account or gateway has this key',
  'ledger/nonce-too-old': 'the nonce is older than all that are kept: make a new transaction',
  'server/stopping': 'the replica stops: ask another, or again later',
  'ledger/over-limit': 'the transaction would be valid for too long',
  'ledger/unknown-account': 'there is no such account: it begins with a GRANT or a MINT',
  'ledger/id-conflict': 'another transaction has this nonce: make a new transaction',
};

/** What a refusal is for a caller. */
export const refusalFault = (code: Refusal, retryAfterMs: number): FaultError =>
  new FaultError(code, TEXTS[code], retryAfterMs > 0 ? { details: { retryAfterMs } } : {});
