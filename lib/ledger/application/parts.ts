import { Reader, Writer, blob } from '#lib/ledger/account/records/layout.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Trie, TrieNode } from '#lib/ledger/crypto/trie/node.ts';
import { entriesUnder, nodesAt } from '#lib/ledger/crypto/trie/read.ts';
import type { StatePart } from '#lib/ledger/pbft/types.ts';

/** A state travels and lies on disk in parts: no more than so much, but for the last record of each. */
export const PART_BYTES = 256 * 1024;
/**
 * Records in a part, in the mean at most, while there are no more than 16³ times as many. Few, for whole
 * parts are written where a record changes, and what changes between two states lies all over them.
 */
export const PART_RECORDS = 32;
const DIGITS_MAX = 3;

/** How a state is cut. Tests and the simulator cut small ones, too. */
export interface Cut {
  readonly records: number;
  readonly bytes: number;
}

const WHOLE: Cut = { records: PART_RECORDS, bytes: PART_BYTES };

/**
 * Parts of a state by the first digits of the keys, so that a record which grows changes no part but its
 * own. Hashes are remembered by the node that a part is made from, which states share while it stays.
 */
export class StateParts {
  readonly #sha256: Sha256;
  readonly #cut: Cut;
  readonly #known = new WeakMap<TrieNode, readonly Uint8Array[]>();

  constructor(sha256: Sha256, cut: Cut = WHOLE) {
    this.#sha256 = sha256;
    this.#cut = cut;
  }

  /** In order; what is not known is packed and hashed as it is asked for. */
  *of({ root, size }: Trie): Generator<StatePart, undefined> {
    for (const node of nodesAt(root, digitsFor(size, this.#cut.records))) {
      const known = this.#known.get(node);
      const made = known === undefined ? packed(node, this.#cut.bytes) : null;
      const hashes = known ?? (made ?? []).map(this.#sha256);
      if (made !== null) this.#known.set(node, hashes);
      for (const [i, hash] of hashes.entries())
        yield { hash, bytes: () => (made ?? packed(node, this.#cut.bytes))[i] ?? NOTHING };
    }
  }
}

const NOTHING = new Uint8Array(0);

/** Records' values one after the other, each after its length in four bytes. */
function packed(node: TrieNode, bytesMax: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let out = new Writer();
  let bytes = 0;
  for (const { value } of entriesUnder(node)) {
    if (bytes >= bytesMax) {
      parts.push(out.done());
      out = new Writer();
      bytes = 0;
    }
    blob.write(out, value);
    bytes += value.length;
  }
  return [...parts, out.done()];
}

/** The least number of digits that leaves no more than so many records a part in the mean. */
function digitsFor(size: number, records: number): number {
  let digits = 0;
  while (digits < DIGITS_MAX && 16 ** digits * records < size) digits += 1;
  return digits;
}

/**
 * The values in parts, one at a time. What they say is the state root's to judge.
 * @throws FaultError wire/malformed where a part is not whole
 */
export function* unpackParts(parts: Iterable<Uint8Array>): Generator<Uint8Array, undefined> {
  for (const part of parts) {
    const from = new Reader(part);
    while (from.left > 0) yield blob.read(from);
  }
}
