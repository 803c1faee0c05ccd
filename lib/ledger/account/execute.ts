import { must, unreachable } from '#lib/kernel/assert.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { merkleRootKept } from '#lib/ledger/crypto/merkle.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { audit } from './audit.ts';
import { isChange } from './codec/bodies.ts';
import { readTransaction, type Transaction } from './codec/transaction.ts';
import { resultByte } from './codes.ts';
import { Draft } from './draft.ts';
import { endBlock, membersHash } from './epochs.ts';
import { activeGateway } from './gateways.ts';
import { DAY_MS, NONCES_KEPT_DAYS, VALIDITY_MS_MAX } from './limits.ts';
import {
  judgeNonce,
  keptOf,
  noNonces,
  withNonce,
  type Executed,
  type NonceTable,
} from './nonces.ts';
import { noncePageId } from './records/kinds.ts';
import { change } from './rules/changes.ts';
import { clusterMember, fundCluster } from './rules/clusters.ts';
import { grant } from './rules/grant.ts';
import { hold } from './rules/hold.ts';
import { burn, delegate, revoke } from './rules/keys.ts';
import { mint } from './rules/mint.ts';
import type { Outcome } from './rules/outcome.ts';
import { capture, voidHold } from './rules/settle.ts';
import { constitutionOf, type LedgerState } from './state.ts';
import { sweep } from './sweep.ts';

/** One batch in its place. */
export interface Block {
  readonly sequence: bigint;
  /** The primary's time; 0 in a null batch. */
  readonly timeMs: bigint;
  /** As decoded by `checkBatch`, or any bytes: what is no transaction is refused as such. */
  readonly transactions: readonly (Transaction | Uint8Array)[];
}

/** What became of one transaction of a block. */
export interface Result extends Executed {
  /** The transaction's id; SHA-256 of the bytes where they are no transaction. */
  readonly id: Uint8Array;
}

export interface Roots {
  readonly resultsRoot: Uint8Array;
  readonly stateRoot: Uint8Array;
  /** Of who votes on the next block. */
  readonly nextMembersHash: Uint8Array;
}

export interface Execution {
  readonly state: LedgerState;
  readonly results: readonly Result[];
  /** The leaves of resultsRoot: `resultBytes` of each. */
  readonly leaves: readonly Uint8Array[];
  readonly roots: Roots;
}

/**
 * Executes one block: sweep, transactions in order, the end of an epoch. Pure, the same to the byte
 * everywhere, and total: no bytes make it throw. It verifies no signature, for `checkBatch` has.
 */
export function execute(state: LedgerState, block: Block, sha256: Sha256): Execution {
  const draft = new Draft(state, block, sha256);
  sweep(draft, state.indexes);
  const results = block.transactions.map((each) => executed(draft, each));
  endBlock(draft);
  const after = draft.done();
  const constitution = constitutionOf(after, sha256);
  if (block.sequence % constitution.parameters.checkpointInterval === 0n) audit(after, sha256);
  const leaves = results.map(resultBytes);
  const roots = {
    resultsRoot: merkleRootKept(leaves, sha256),
    stateRoot: after.trie.rootHash,
    nextMembersHash: membersHash(constitution, sha256),
  };
  return { state: after, results, leaves, roots };
}

/** A leaf of resultsRoot: id (32 bytes), sequence u64, code u8. */
export function resultBytes({ id, sequence, code }: Result): Uint8Array {
  const tail = new Uint8Array(9);
  new DataView(tail.buffer).setBigUint64(0, sequence);
  tail[8] = resultByte(code);
  return concatBytes([id, tail]);
}

function executed(draft: Draft, given: Transaction | Uint8Array): Result {
  const { sha256, sequence } = draft;
  const transaction = given instanceof Uint8Array ? readTransaction(given, sha256) : given;
  if (isFault(transaction)) {
    return { id: sha256(given as Uint8Array), sequence, code: 'wire/malformed' };
  }
  const { id } = transaction;
  if (!bytesEqual(transaction.chain, draft.constitution.chain)) {
    return { id, sequence, code: 'ledger/not-authorised' };
  }
  return { id, ...once(draft, transaction) };
}

/** A nonce is used once: what comes again has the first result, whatever has changed since (A2). */
function once(draft: Draft, transaction: Transaction): Executed {
  const { publicKey, nonce, validUntilMs } = transaction;
  const { sequence, timeMs } = draft;
  const table = noncesOf(draft, publicKey);
  const kept = keptOf(table.head, () => activeGateway(draft, publicKey) !== null);
  const verdict = judgeNonce(table, transaction, kept);
  switch (verdict.type) {
    case 'executed':
      return verdict.first;
    case 'used':
      return { sequence, code: 'ledger/id-conflict' };
    case 'too-old':
      return { sequence, code: 'ledger/nonce-too-old' };
    case 'fresh':
      break;
    default:
      return unreachable(verdict);
  }
  const outcome = effectOf(draft, transaction);
  const first = typeof outcome === 'string' ? { sequence, code: outcome } : outcome;
  const acted = table.head.acted === 1 || first.code === 'ok' ? 1 : 0;
  // A stranger's nonces need to be known no longer than its transactions are valid, the last ms included.
  const actedUntilMs = acted === 1 ? timeMs + BigInt(NONCES_KEPT_DAYS) * DAY_MS : 0n;
  const keepUntilMs = latest(table.head.keepUntilMs, validUntilMs + 1n, actedUntilMs);
  const entry = { nonce, id: transaction.id, executed: first };
  const { head, pages } = withNonce(table, entry, kept);
  draft.put('nonces', { ...head, acted, keepUntilMs });
  for (const { from, packed } of pages) {
    if (packed === null) draft.remove('nonce-page', noncePageId(publicKey, from));
    else draft.put('nonce-page', { publicKey, from, packed });
  }
  return first;
}

const noncesOf = (draft: Draft, publicKey: Uint8Array): NonceTable => ({
  head: draft.get('nonces', publicKey) ?? noNonces(publicKey),
  page: (from) =>
    must(draft.get('nonce-page', noncePageId(publicKey, from)), 'a page that is named').packed,
});

const latest = (...instants: readonly bigint[]): bigint =>
  instants.reduce((late, each) => (each > late ? each : late));

function effectOf(draft: Draft, transaction: Transaction): Outcome {
  const { body, publicKey, validUntilMs } = transaction;
  if (validUntilMs < draft.timeMs) return 'ledger/expired';
  if (validUntilMs > draft.timeMs + VALIDITY_MS_MAX) return 'ledger/over-limit';
  if (isChange(body)) return change(draft, body, publicKey);
  switch (body.type) {
    case 'grant':
      return grant(draft, body, transaction);
    case 'hold':
      return hold(draft, body, transaction);
    case 'capture':
      return capture(draft, body, transaction);
    case 'void':
      return voidHold(draft, body, transaction);
    case 'mint':
      return mint(draft, body, transaction);
    case 'burn':
      return burn(draft, body, transaction);
    case 'delegate':
      return delegate(draft, body, transaction);
    case 'revoke':
      return revoke(draft, body, transaction);
    case 'fund-cluster':
      return fundCluster(draft, body, transaction);
    case 'cluster-member':
      return clusterMember(draft, body, transaction);
    default:
      return unreachable(body);
  }
}
