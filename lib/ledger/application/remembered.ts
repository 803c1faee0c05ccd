import { toHex } from '#lib/kernel/bytes.ts';
import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';

/** Transactions that are kept: a request is checked when it comes, and again in its batch, soon after. */
const KEPT_MAX = 8_192;
const KEPT_BYTES_MAX = 16 * 1024 * 1024;

type Judge = (bytes: Uint8Array) => Transaction | FaultError;

interface Kept {
  readonly transaction: Transaction;
  isChecked: boolean;
}

/** What is asked of a transaction's bytes, each once where it holds. */
export interface Remembered {
  /** Decoded: no signature is verified. */
  readonly read: Judge;
  /** Decoded, and every signature holds. */
  readonly check: Judge;
}

/**
 * The same verdicts, those that hold remembered by SHA-256 of all the bytes, signatures too: what has
 * another signature is checked anew. The oldest goes first. The same array asked for again at once, as a
 * door and a core do, is not even hashed: it must not be changed.
 * @param check is given what `read` gave.
 */
export function remembered(
  read: Judge,
  check: (transaction: Transaction) => Transaction | FaultError,
  sha256: Sha256,
): Remembered {
  const all = new Map<string, Kept>();
  let bytesOfAll = 0;
  let last: { readonly bytes: Uint8Array; readonly kept: Kept } | null = null;

  const found = (bytes: Uint8Array): Kept | FaultError => {
    if (last?.bytes === bytes) return last.kept;
    const name = toHex(sha256(bytes));
    let kept = all.get(name);
    if (kept === undefined) {
      const transaction = read(bytes);
      if (isFault(transaction)) return transaction;
      kept = { transaction, isChecked: false };
      all.set(name, kept);
      bytesOfAll += bytes.length;
      forgetOldest();
    }
    last = { bytes, kept };
    return kept;
  };

  const forgetOldest = (): void => {
    for (const [oldest, { transaction }] of all) {
      if (all.size <= KEPT_MAX && bytesOfAll <= KEPT_BYTES_MAX) return;
      all.delete(oldest);
      bytesOfAll -= transaction.bytes.length;
    }
  };

  return {
    read(bytes) {
      const kept = found(bytes);
      return isFault(kept) ? kept : kept.transaction;
    },
    check(bytes) {
      const kept = found(bytes);
      if (isFault(kept)) return kept;
      if (kept.isChecked) return kept.transaction;
      const verdict = check(kept.transaction);
      kept.isChecked = !isFault(verdict);
      return verdict;
    },
  };
}
