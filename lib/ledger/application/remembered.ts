import { toHex } from '#lib/kernel/bytes.ts';
import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';

/** Transactions that are kept: a request is checked when it comes, and again in its batch, soon after. */
const KEPT_MAX = 8_192;
const KEPT_BYTES_MAX = 16 * 1024 * 1024;

type Check = (bytes: Uint8Array) => Transaction | FaultError;

/**
 * The same verdicts, those that hold remembered by SHA-256 of all the bytes, signatures too: what has
 * another signature is checked anew. The oldest goes first.
 */
export function remembered(check: Check, sha256: Sha256): Check {
  const kept = new Map<string, Transaction>();
  let keptBytes = 0;
  return (bytes) => {
    const name = toHex(sha256(bytes));
    const known = kept.get(name);
    if (known !== undefined) return known;
    const verdict = check(bytes);
    if (isFault(verdict)) return verdict;
    kept.set(name, verdict);
    keptBytes += bytes.length;
    for (const [oldest, each] of kept) {
      if (kept.size <= KEPT_MAX && keptBytes <= KEPT_BYTES_MAX) break;
      kept.delete(oldest);
      keptBytes -= each.bytes.length;
    }
    return verdict;
  };
}
