import { concatBytes } from '#lib/kernel/bytes.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { fitsDay, keyFor, withKey, withUse } from '../accounts.ts';
import { SCOPE_DELEGATE, SCOPE_SPEND } from '../codec/bodies.ts';
import { CLUSTERS_PER_ACCOUNT_MAX, MEMBERS_PER_CLUSTER_MAX } from '../limits.ts';
import type { Cluster } from '../records/records.ts';
import type { Rule } from './outcome.ts';

/**
 * Moves earned credit into a cluster's account, which the first funding makes (A11). Whoever funds one
 * first owns it; there is no way back, so that this is no transfer between accounts. Starter credit
 * stays where it is: it would lose its expiry.
 */
export const fundCluster: Rule<'fund-cluster'> = (draft, body, { publicKey }) => {
  const { timeMs, day } = draft;
  const { amountMicro } = body;
  const account = draft.get('account', body.account);
  if (!account) return 'ledger/unknown-account';
  const key = keyFor(account, publicKey, { scope: SCOPE_SPEND, timeMs });
  if (!key) return 'ledger/not-authorised';
  const known = draft.get('cluster', body.cluster);
  const isNew = known === null;
  if (isNew && account.clusters >= CLUSTERS_PER_ACCOUNT_MAX) return 'ledger/over-limit';
  if (!fitsDay(key, amountMicro, day)) return 'ledger/over-limit';
  if (account.earnedMicro < amountMicro) return 'ledger/insufficient-credit';
  const cluster = known ?? newCluster(body.cluster, account.id);
  draft.put('account', {
    ...withKey(account, withUse(key, amountMicro, day)),
    earnedMicro: account.earnedMicro - amountMicro,
    clusters: account.clusters + (isNew ? 1 : 0),
    activeDay: day,
  });
  draft.put('cluster', { ...cluster, micro: cluster.micro + amountMicro, activeDay: day });
  return 'ok';
};

const newCluster = (id: Uint8Array, owner: Uint8Array): Cluster => ({
  id,
  owner,
  micro: 0n,
  heldMicro: 0n,
  openHolds: 0,
  members: 0,
  activeDay: 0,
});

/** The owner takes an account in, with what it may hold and have captured a ledger day; 0: out. */
export const clusterMember: Rule<'cluster-member'> = (draft, body, { publicKey }) => {
  const { timeMs, day } = draft;
  const account = draft.get('account', body.account);
  const cluster = draft.get('cluster', body.cluster);
  if (!account || !cluster) return 'ledger/unknown-account';
  const key = keyFor(account, publicKey, { scope: SCOPE_DELEGATE, timeMs });
  if (!key || !bytesEqual(cluster.owner, account.id)) return 'ledger/not-authorised';
  const id = concatBytes([body.cluster, body.member]);
  const known = draft.get('member', id);
  const { dayLimitMicro } = body;
  if (dayLimitMicro === 0n) {
    if (!known) return 'ledger/unknown-account';
    draft.remove('member', id);
    draft.put('cluster', { ...cluster, members: cluster.members - 1, activeDay: day });
    return 'ok';
  }
  if (!draft.get('account', body.member)) return 'ledger/unknown-account';
  if (!known && cluster.members >= MEMBERS_PER_CLUSTER_MAX) return 'ledger/over-limit';
  const used = known ?? { usedDay: 0, usedMicro: 0n };
  draft.put('member', {
    cluster: body.cluster,
    account: body.member,
    dayLimitMicro,
    usedDay: used.usedDay,
    usedMicro: used.usedMicro,
    activeDay: day,
  });
  const members = cluster.members + (known ? 0 : 1);
  draft.put('cluster', { ...cluster, members, activeDay: day });
  return 'ok';
};
