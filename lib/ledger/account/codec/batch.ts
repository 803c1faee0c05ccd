import { concatBytes } from '#lib/kernel/bytes.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { merkleRoot } from '#lib/ledger/crypto/merkle.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_TRANSACTIONS_MAX,
  MINT_BYTES_MAX,
  VALIDITY_MS_MAX,
} from '../limits.ts';
import { decodeCbor, encodeCbor, malformed } from './cbor.ts';
import { bytesOf, instant, listOf } from './fields.ts';
import { readTransaction, signaturesOf, type Transaction } from './transaction.ts';

/** What a PRE-PREPARE carries: the primary's time and transactions in order. */
export interface Batch {
  /** Milliseconds since 1970; 0 in a null batch. */
  readonly timeMs: bigint;
  readonly transactions: readonly Uint8Array[];
}

/** The batch that fills a gap: no transaction, and it leaves ledger time where it is. */
export const NULL_BATCH: Batch = { timeMs: 0n, transactions: [] };

const list = listOf(bytesOf(1, MINT_BYTES_MAX), 0, BATCH_TRANSACTIONS_MAX);

export const writeBatch = ({ timeMs, transactions }: Batch): Uint8Array =>
  encodeCbor([timeMs, transactions]);

/** @throws FaultError wire/malformed, wire/too-large */
export function readBatch(bytes: Uint8Array): Batch {
  if (bytes.length > BATCH_BYTES_MAX) {
    throw new FaultError('wire/too-large', `a batch has at most ${BATCH_BYTES_MAX} bytes`);
  }
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 2) throw malformed('a batch has two places');
  const [timeMs, transactions] = value as unknown[];
  return { timeMs: instant.read(timeMs), transactions: list.read(transactions) };
}

const DIGEST = 2;

/**
 * H(2 ‖ timeMs u64 ‖ count u32 ‖ Merkle root of the transactions): a path from it shows one
 * transaction and its place without the others.
 */
export function batchDigest({ timeMs, transactions }: Batch, sha256: Sha256): Uint8Array {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint8(0, DIGEST);
  view.setBigUint64(1, timeMs);
  view.setUint32(9, transactions.length);
  return sha256(concatBytes([head, merkleRoot(transactions, sha256)]));
}

/** What a replica judges a batch by: nothing that it has executed (T5). */
export interface BatchRules {
  readonly chain: Uint8Array;
  readonly verify: Verify;
  readonly sha256: Sha256;
}

/** A batch whose every byte, bound and signature holds; its transactions decoded, to be executed. */
export interface CheckedBatch {
  readonly batch: Batch;
  readonly transactions: readonly Transaction[];
}

/**
 * One transaction by itself: encoding, bounds, chain and every signature that it carries. Never throws.
 * @param read `readTransaction`, or what remembers what it gave.
 */
export function checkTransaction(
  bytes: Uint8Array,
  { chain, verify, sha256 }: BatchRules,
  read: (bytes: Uint8Array) => Transaction | FaultError = (each) => readTransaction(each, sha256),
): Transaction | FaultError {
  const transaction = read(bytes);
  if (isFault(transaction)) return transaction;
  if (!bytesEqual(transaction.chain, chain)) return malformed('a transaction of another chain');
  const holds = signaturesOf(transaction).every(({ publicKey, message, signature }) =>
    verify(publicKey, message, signature),
  );
  return holds ? transaction : malformed('a signature does not hold');
}

/**
 * Is a batch valid, whoever looks? Replicas stand at different points of execution and must agree, so
 * this reads bytes alone: encoding, sizes, chain, validity against the batch's own time, signatures
 * under the keys it carries. Never throws.
 * @param check `checkTransaction`, or what remembers its verdicts.
 */
export function checkBatch(
  bytes: Uint8Array,
  rules: BatchRules,
  check: (bytes: Uint8Array) => Transaction | FaultError = (each) => checkTransaction(each, rules),
): CheckedBatch | FaultError {
  try {
    const batch = readBatch(bytes);
    const transactions = batch.transactions.map((each) => {
      const transaction = check(each);
      if (isFault(transaction)) throw transaction;
      if (transaction.validUntilMs > batch.timeMs + VALIDITY_MS_MAX) throw malformed(TOO_LONG);
      return transaction;
    });
    return { batch, transactions };
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

const TOO_LONG = 'valid for too long';
