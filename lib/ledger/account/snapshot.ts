import { isFault } from '#lib/kernel/errors.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { slabRoom, TrieBuilder } from '#lib/ledger/crypto/trie/build.ts';
import type { Room } from '#lib/ledger/crypto/trie/draft.ts';
import type { Trie } from '#lib/ledger/crypto/trie/node.ts';
import { trieEntries } from '#lib/ledger/crypto/trie/read.ts';
import { trieUnion } from '#lib/ledger/crypto/trie/union.ts';
import { countedAs } from './audit.ts';
import { IndexPartBuilder, joinIndexes, type IndexPart } from './indexes.ts';
import { keyOfValue, microOf, readRecord } from './records/kinds.ts';
import type { LedgerState } from './state.ts';

/** All of a state, in parts for a store or a peer: each record's value, by ascending key. */
export function* snapshot(state: LedgerState): Generator<Uint8Array, undefined> {
  for (const { value } of trieEntries(state.trie)) yield value;
}

/** Some of a state's records, hashed and counted: what takes time of a restoration is done. */
export interface RestoredPart {
  readonly trie: Trie;
  readonly indexes: IndexPart;
}

/**
 * Records of a snapshot, some or all; null where one is none. By ascending key, as `snapshot` gives them,
 * they are built in one pass.
 * @param room where the trie's nodes are kept.
 */
export function restorePart(
  values: Iterable<Uint8Array>,
  sha256: Sha256,
  room: Room,
): RestoredPart | null {
  const runs: TrieBuilder[] = [];
  const indexes = new IndexPartBuilder();
  let micro = 0n;
  for (const value of values) {
    const read = readRecord(value);
    if (isFault(read)) return null;
    const key = keyOfValue(read.kind, value, sha256);
    if (runs.at(-1)?.add(key, value) !== true) {
      const run = new TrieBuilder(sha256, { room });
      run.add(key, value);
      runs.push(run);
    }
    indexes.add(key, read);
    micro += microOf(read.kind, read.record as never);
  }
  const tries = runs.map((run) => run.trie());
  const trie = trieUnion(tries, sha256);
  if (trie === null) return null;
  countedAs(trie.root, micro);
  return { trie, indexes: indexes.done() };
}

/** The state that these parts make; null where it is not the one under `rootHash`. */
export function restoreFrom(
  parts: readonly RestoredPart[],
  rootHash: Uint8Array,
  sha256: Sha256,
): LedgerState | null {
  const tries = parts.map(({ trie }) => trie);
  const trie = trieUnion(tries, sha256);
  if (trie === null || !bytesEqual(trie.rootHash, rootHash)) return null;
  return { trie, indexes: joinIndexes(parts.map(({ indexes }) => indexes)) };
}

/**
 * The state of a snapshot under `rootHash`, or null where the values are not exactly that state. Takes
 * anything; never throws.
 */
export function restore(
  values: Iterable<Uint8Array>,
  rootHash: Uint8Array,
  sha256: Sha256,
): LedgerState | null {
  const part = restorePart(values, sha256, slabRoom());
  return part && restoreFrom([part], rootHash, sha256);
}
