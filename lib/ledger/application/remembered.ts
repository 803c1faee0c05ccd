import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';

/** Transactions that are kept: a request is checked when it comes, and again in its batch, soon after. */
const CHECKED = { countMax: 8_192, bytesMax: 16 * 1024 * 1024 };
/** Between a door and a check; who has no key may bring as many as it likes. */
const READ = { countMax: 1_024, bytesMax: 2 * 1024 * 1024 };

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
 * The same verdicts, those that hold remembered for these very bytes, signatures too: what has another
 * signature is checked anew. The same array asked for again at once, as a door and a core do, is not even
 * compared: it must not be changed.
 * @param check is given what `read` gave.
 */
export function remembered(
  read: Judge,
  check: (transaction: Transaction) => Transaction | FaultError,
): Remembered {
  // Apart, so that strangers' push out nothing that was verified.
  const checked = new Shelf(CHECKED);
  const unchecked = new Shelf(READ);
  let last: { readonly bytes: Uint8Array; readonly kept: Kept } | null = null;

  const found = (bytes: Uint8Array): Kept | FaultError => {
    if (last?.bytes === bytes) return last.kept;
    const verified = checked.get(bytes);
    const transaction = verified ?? unchecked.get(bytes) ?? read(bytes);
    if (isFault(transaction)) return transaction;
    const kept = { transaction, isChecked: verified !== undefined };
    if (!kept.isChecked) unchecked.put(transaction);
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
      unchecked.remove(kept.transaction);
      checked.put(kept.transaction);
      return verdict;
    },
  };
}

const PLACE_BYTES = 6;

/** Where bytes stand on a shelf: by their last six, which a signature's are. It names nothing. */
function placeOf(bytes: Uint8Array): number {
  let place = 0;
  for (let i = Math.max(0, bytes.length - PLACE_BYTES); i < bytes.length; i += 1)
    place = place * 256 + (bytes[i] ?? 0);
  return place;
}

/**
 * Transactions by all their bytes; the oldest goes first. One a place: of two that share it the later stays,
 * and the other is only asked for anew. Compared, because that takes a tenth of what hashing them does.
 */
class Shelf {
  readonly #most: typeof CHECKED;
  readonly #all = new Map<number, Transaction>();
  #bytes = 0;

  constructor(most: typeof CHECKED) {
    this.#most = most;
  }

  get(bytes: Uint8Array): Transaction | undefined {
    const found = this.#all.get(placeOf(bytes));
    return found !== undefined && bytesEqual(found.bytes, bytes) ? found : undefined;
  }

  put(transaction: Transaction): void {
    const place = placeOf(transaction.bytes);
    this.#removeAt(place);
    this.#all.set(place, transaction);
    this.#bytes += transaction.bytes.length;
    const { countMax, bytesMax } = this.#most;
    for (const oldest of this.#all.keys()) {
      if (this.#all.size <= countMax && this.#bytes <= bytesMax) return;
      this.#removeAt(oldest);
    }
  }

  remove({ bytes }: Transaction): void {
    if (this.get(bytes) !== undefined) this.#removeAt(placeOf(bytes));
  }

  #removeAt(place: number): void {
    this.#bytes -= this.#all.get(place)?.bytes.length ?? 0;
    this.#all.delete(place);
  }
}
