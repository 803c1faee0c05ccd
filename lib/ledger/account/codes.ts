import type { FaultCode } from '#lib/kernel/errors.ts';

/**
 * What execution says of a transaction, one byte on the chain: `ok`, or why it had no effect. The last
 * is for bytes that are no transaction; no valid batch holds such.
 */
export const RESULT_CODES = [
  'ok',
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
  'wire/malformed',
] as const satisfies readonly ('ok' | FaultCode)[];

export type ResultCode = (typeof RESULT_CODES)[number];

export const resultByte = (code: ResultCode): number => RESULT_CODES.indexOf(code);
