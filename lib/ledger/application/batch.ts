import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { writeBatch } from '#lib/ledger/account/codec/batch.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_TRANSACTIONS_MAX,
  VALIDITY_MS_MAX,
} from '#lib/ledger/account/limits.ts';

/** Header of the batch's arrays and time, and of one transaction: CBOR takes at most so much. */
const HEAD_BYTES = 32;
const ITEM_BYTES = 5;

/**
 * A batch of these requests in order, as far as they fit. One that no replica would take at this time
 * (a clock was set back) is left out: it must not spoil the others.
 */
export function writeFitting(
  timeMs: number,
  requests: readonly Uint8Array[],
  check: (bytes: Uint8Array) => Transaction | FaultError,
): Uint8Array {
  const latest = BigInt(timeMs) + VALIDITY_MS_MAX;
  const transactions: Uint8Array[] = [];
  let bytes = HEAD_BYTES;
  for (const request of requests) {
    const transaction = check(request);
    if (isFault(transaction) || transaction.validUntilMs > latest) continue;
    bytes += request.length + ITEM_BYTES;
    if (bytes > BATCH_BYTES_MAX || transactions.length === BATCH_TRANSACTIONS_MAX) break;
    transactions.push(request);
  }
  return writeBatch({ timeMs: BigInt(timeMs), transactions });
}
