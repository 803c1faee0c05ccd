import { toHex } from '#lib/kernel/bytes.ts';
import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';

/** Transactions that are kept: a request is checked when it comes, and again in its batch, soon after. */
const CHECKED = { countMax: 8_192, bytesMax: 16 * 1024 * 1024 };
/** Between a door and a check; who has no key may bring as many as it likes. */
const READ = { countMax: 1_024, bytesMax: 2 * 1024 * 1024 };

type Judge = (bytes: Uint8Array) => Transaction | FaultError;

interface Kept {
  readonly name: string;
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
 * another signature is checked anew. The same array asked for again at once, as a
 * door and a core do, is not even hashed: it must not be changed.
 * @param check is given what `read` gave.
 */
export function remembered(
  read: Judge,
  check: (transaction: Transaction) => Transaction | FaultError,
  sha256: Sha256,
): Remembered {
  // Apart, so that strangers' push out nothing that was verified.
  const checked = new Shelf(CHECKED);
  const unchecked = new Shelf(READ);
  let last: { readonly bytes: Uint8Array; readonly kept: Kept } | null = null;

  const found = (bytes: Uint8Array): Kept | FaultError => {
    if (last?.bytes === bytes) return last.kept;
    const name = toHex(sha256(bytes));
    const verified = checked.get(name);
    const transaction = verified ?? unchecked.get(name) ?? read(bytes);
    if (isFault(transaction)) return transaction;
    const kept = { name, transaction, isChecked: verified !== undefined };
    if (!kept.isChecked) unchecked.put(name, transaction);
    last = { bytes, kept };
    return kept;
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
      if (isFault(verdict)) return verdict;
      kept.isChecked = true;
      unchecked.remove(kept.name);
      checked.put(kept.name, kept.transaction);
      return verdict;
    },
  };
}

/** Transactions by the hash of all their bytes; the oldest goes first. */
class Shelf {
  readonly #most: typeof CHECKED;
  readonly #all = new Map<string, Transaction>();
  #bytes = 0;

  constructor(most: typeof CHECKED) {
    this.#most = most;
  }

  get(name: string): Transaction | undefined {
    return this.#all.get(name);
  }

  put(name: string, transaction: Transaction): void {
    if (this.#all.has(name)) return;
    this.#all.set(name, transaction);
    this.#bytes += transaction.bytes.length;
    const { countMax, bytesMax } = this.#most;
    for (const oldest of this.#all.keys()) {
      if (this.#all.size <= countMax && this.#bytes <= bytesMax) return;
      this.remove(oldest);
    }
  }

  remove(name: string): void {
    this.#bytes -= this.#all.get(name)?.bytes.length ?? 0;
    this.#all.delete(name);
  }
}
