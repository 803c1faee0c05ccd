import { invariant } from '#lib/kernel/assert.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { childrenOf, isLeaf, valueOf, type TrieNode } from '#lib/ledger/crypto/trie/node.ts';
import { SUPPLY_MICRO } from './limits.ts';
import { microInOwn } from './records/kinds.ts';
import { totalsOf, type LedgerState } from './state.ts';

/** Credit below a node that was counted before: nodes never change, and most are shared by two audits. */
const counted = new WeakMap<object, bigint>();

function microBelow(node: TrieNode): bigint {
  if (isLeaf(node)) return microInOwn(valueOf(node));
  const known = counted.get(node);
  if (known !== undefined) return known;
  const micro = childrenOf(node).reduce((sum, child) => sum + microBelow(child), 0n);
  counted.set(node, micro);
  return micro;
}

/**
 * So much credit is below a node, as its records were read when it was made: so that who restored a state
 * does not read all of it once more at its first audit.
 */
export function countedAs(root: TrieNode | null, micro: bigint): void {
  // Down to where keys part: what is put beside it takes the place of the nodes above.
  for (let node = root; node !== null && !isLeaf(node);) {
    counted.set(node, micro);
    const [child = null, ...others] = childrenOf(node);
    node = others.length === 0 ? child : null;
  }
}

/**
 * Counts all credit from the records themselves, not from the totals that blocks carry on (A1). What an
 * earlier audit counted and no block touched since is not counted again.
 * @throws InvariantError where any is missing or too much.
 */
export function audit(state: LedgerState, sha256: Sha256): void {
  const totals = totalsOf(state, sha256);
  const micro = state.trie.root === null ? 0n : microBelow(state.trie.root);
  const all = micro + totals.treasuryMicro + totals.burnMicro;
  invariant(all === SUPPLY_MICRO, 'credit is neither made nor lost');
}
