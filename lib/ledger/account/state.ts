import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Trie } from '#lib/ledger/crypto/trie/node.ts';
import { trieGet } from '#lib/ledger/crypto/trie/read.ts';
import { trieProve } from '#lib/ledger/crypto/trie/proof.ts';
import type { Indexes } from './indexes.ts';
import { readRecord, recordKey, type AnyRecord, type Kind, type Records } from './records/kinds.ts';

/** The whole ledger at one sequence. Never changed: an older one is a snapshot. */
export interface LedgerState {
  readonly trie: Trie;
  /** Made from the trie's records. */
  readonly indexes: Indexes;
}

/** The record under (kind, id), or null. */
export function recordOf<K extends Kind>(
  state: LedgerState,
  [kind, id]: readonly [K, Uint8Array],
  sha256: Sha256,
): Records[K] | null {
  const value = trieGet(state.trie, recordKey(kind, id, sha256));
  return value === null ? null : (ownRecord(value).record as Records[K]);
}

const NOTHING = new Uint8Array(0);
/** The two records that every block and every request read. */
export type Known = Pick<Records, 'totals' | 'constitution'>;

const known = new WeakMap<LedgerState, Known>();

/** Decoded once, and carried from each state to the next by who makes it. */
function knownOf(state: LedgerState, sha256: Sha256): Known {
  const before = known.get(state);
  if (before !== undefined) return before;
  const totals = must(recordOf(state, ['totals', NOTHING], sha256), 'a ledger has totals');
  const found = recordOf(state, ['constitution', NOTHING], sha256);
  const constitution = must(found, 'a ledger has a constitution');
  return remember(state, { totals, constitution });
}

/** What the state's own records say. */
export function remember(state: LedgerState, of: Known): Known {
  known.set(state, of);
  return of;
}

export const totalsOf = (state: LedgerState, sha256: Sha256): Records['totals'] =>
  knownOf(state, sha256).totals;

export const constitutionOf = (state: LedgerState, sha256: Sha256): Records['constitution'] =>
  knownOf(state, sha256).constitution;

/** A record that our own code wrote, or that a certified root vouches for. */
export function ownRecord(value: Uint8Array): AnyRecord {
  const read = readRecord(value);
  if (isFault(read)) throw read;
  return read;
}

/** What shows a record, or that there is none, to who knows the state root. */
export interface RecordProof {
  /** `readRecord` reads it; null: there is no such record. */
  readonly value: Uint8Array | null;
  /** For `verifyTrieProof`. */
  readonly proof: Uint8Array;
}

export function prove(
  state: LedgerState,
  [kind, id]: readonly [Kind, Uint8Array],
  sha256: Sha256,
): RecordProof {
  const key = recordKey(kind, id, sha256);
  return { value: trieGet(state.trie, key), proof: trieProve(state.trie, key, sha256) };
}
