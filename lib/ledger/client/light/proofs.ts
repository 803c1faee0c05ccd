import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { batchDigest, readBatch } from '#lib/ledger/account/codec/batch.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { RESULT_CODES, type ResultCode } from '#lib/ledger/account/codes.ts';
import {
  readRecord,
  recordKey,
  type Kind,
  type Records,
} from '#lib/ledger/account/records/kinds.ts';
import { leafHash, merkleRoot, verifyInclusion } from '#lib/ledger/crypto/merkle.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { verifyTrieProof } from '#lib/ledger/crypto/trie/proof.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import type { ChainBlock, Executed, ProvenRecord } from '../wire/answers.ts';
import { rejected } from './chain.ts';

/** What hangs on a header: each function says what it shows if the header is of the chain. */

/** Whether the header's state has this value under `key`, or none where it is null. Never throws. */
export const isShown = (
  header: Header,
  of: { readonly key: Uint8Array; readonly given: ProvenRecord },
  sha256: Sha256,
): boolean => verifyTrieProof({ rootHash: header.stateRoot, key: of.key, ...of.given }, sha256);

/** The record under (kind, id) in the header's state; null: proven that there is none. Never throws. */
export function provenRecord<K extends Kind>(
  header: Header,
  of: { readonly kind: K; readonly id: Uint8Array; readonly given: ProvenRecord },
  sha256: Sha256,
): Records[K] | null | FaultError {
  const { kind, id, given } = of;
  return isShown(header, { key: recordKey(kind, id, sha256), given }, sha256)
    ? shownRecord(kind, given)
    : rejected('the proof does not lead to the header’s state');
}

/** What a value that is shown says. Never throws. */
export function shownRecord<K extends Kind>(
  kind: K,
  { value }: ProvenRecord,
): Records[K] | null | FaultError {
  if (value === null) return null;
  const read = readRecord(value);
  if (isFault(read)) return read;
  if (read.kind !== kind) return rejected('a record of another kind');
  return read.record as Records[K];
}

/** What became of a transaction: its first sequence and code. */
export interface Outcome {
  readonly id: Uint8Array;
  readonly sequence: number;
  readonly code: ResultCode;
}

/** A leaf of the results root, or null where the bytes are none. */
export function readResult(result: Uint8Array): Outcome | null {
  const code = RESULT_CODES[result[40] ?? 255];
  if (result.length !== 41 || code === undefined) return null;
  const sequence = new DataView(result.buffer, result.byteOffset).getBigUint64(32);
  if (sequence > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return { id: result.slice(0, 32), sequence: Number(sequence), code };
}

/** The outcome of the transaction `id` by its place under the header's results root. Never throws. */
export function provenOutcome(
  { header, result, index, count, path }: Executed,
  id: Uint8Array,
  sha256: Sha256,
): Outcome | FaultError {
  const outcome = readResult(result);
  if (outcome === null || !bytesEqual(outcome.id, id)) {
    return rejected('the result of another transaction');
  }
  const leaf = leafHash(result, sha256);
  const inclusion = { leaf, index, size: count, path, root: header.resultsRoot };
  return verifyInclusion(inclusion, sha256)
    ? outcome
    : rejected('the path does not lead to the header’s results');
}

/** One transaction of a block and what became of it. */
export interface Entry {
  readonly transaction: Uint8Array;
  readonly outcome: Outcome;
}

/** A block's entries, if batch and results are the header's. Never throws. */
export function provenEntries(block: ChainBlock, sha256: Sha256): readonly Entry[] | FaultError {
  const { header, results } = block;
  let batch;
  try {
    batch = readBatch(block.batch);
  } catch {
    return rejected('no batch');
  }
  if (!bytesEqual(batchDigest(batch, sha256), header.batchDigest)) {
    return rejected('the batch is not the header’s');
  }
  const isWhole = results.length === batch.transactions.length;
  if (!isWhole || !bytesEqual(merkleRoot(results, sha256), header.resultsRoot)) {
    return rejected('the results are not the header’s');
  }
  const entries: Entry[] = [];
  for (const [i, transaction] of batch.transactions.entries()) {
    const outcome = readResult(results[i] ?? new Uint8Array(0));
    const read = readTransaction(transaction, sha256);
    if (outcome === null || isFault(read) || !bytesEqual(read.id, outcome.id)) {
      return rejected('a result of another transaction');
    }
    entries.push({ transaction, outcome });
  }
  return entries;
}
