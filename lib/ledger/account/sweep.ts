import { must, unreachable } from '#lib/kernel/assert.ts';
import type { Draft } from './draft.ts';
import { dueKeys, type Indexes } from './indexes.ts';
import { SWEEP_MAX } from './limits.ts';
import { dueMsOf, idOf, isEmptyAccount, noncePageId, type AnyRecord } from './records/kinds.ts';
import { HOLD_OPEN, type Maturing, type Member } from './records/records.ts';
import { expireHold } from './rules/settle.ts';

/** At the start of a block: what fell due is settled, by (time, key), no more than 1 024 (A13). */
export function sweep(draft: Draft, indexes: Indexes): void {
  for (const key of dueKeys(indexes, draft.timeMs, SWEEP_MAX)) {
    const found = draft.byKey(key);
    // What was settled before it in this sweep may have moved it.
    if (found === null || !isDue(found, draft.timeMs)) continue;
    settle(draft, found);
  }
}

function isDue({ kind, record }: AnyRecord, timeMs: bigint): boolean {
  const dueMs = dueMsOf(kind, record as never);
  return dueMs !== null && dueMs <= timeMs;
}

function settle(draft: Draft, found: AnyRecord): void {
  switch (found.kind) {
    case 'account': {
      const { record } = found;
      if (isEmptyAccount(record)) {
        draft.remove('account', record.id);
        return;
      }
      draft.toTreasury(record.starterMicro);
      draft.put('account', { ...record, starterMicro: 0n });
      return;
    }
    case 'cluster': {
      draft.remove('cluster', found.record.id);
      const owner = draft.get('account', found.record.owner);
      if (owner) draft.put('account', { ...owner, clusters: owner.clusters - 1 });
      return;
    }
    case 'member':
      return leave(draft, found.record);
    case 'hold': {
      const { record } = found;
      if (record.status === HOLD_OPEN) expireHold(draft, record);
      else draft.remove('hold', record.id);
      return;
    }
    case 'pot':
      draft.toTreasury(found.record.micro);
      draft.remove('pot', found.record.id);
      return;
    case 'maturing':
      return mature(draft, found.record);
    case 'minted':
      draft.remove('minted', idOf('minted', found.record));
      return;
    case 'nonces': {
      const { publicKey, pages } = found.record;
      draft.remove('nonces', publicKey);
      for (const from of pages) draft.remove('nonce-page', noncePageId(publicKey, from));
      return;
    }
    case 'totals':
    case 'constitution':
    case 'gateway':
    case 'nonce-page':
    case 'vote-key':
      return;
    default:
      return unreachable(found);
  }
}

/** To the account; back to the treasury where the gateway was revoked for that day. */
function mature(draft: Draft, record: Maturing): void {
  const account = must(draft.get('account', record.account), 'an account with credit that waits');
  const gateway = must(draft.get('gateway', record.gateway), 'a gateway that attested');
  const isRevoked = record.day >= gateway.revokedSinceDay;
  draft.put('account', {
    ...account,
    maturingMicro: account.maturingMicro - record.micro,
    earnedMicro: account.earnedMicro + (isRevoked ? 0n : record.micro),
  });
  if (isRevoked) draft.toTreasury(record.micro);
  draft.remove('maturing', idOf('maturing', record));
}

/** A member that was idle for 90 days is one no more. */
function leave(draft: Draft, record: Member): void {
  draft.remove('member', idOf('member', record));
  const cluster = draft.get('cluster', record.cluster);
  if (cluster) draft.put('cluster', { ...cluster, members: cluster.members - 1 });
}
