import { invariant } from '#lib/kernel/assert.ts';

/** The fewest replicas that bear one that lies. */
export const REPLICAS_MIN = 4;
/** Of more than these a quorum's approvals of a change do not fit into a transaction of 4 KiB. */
export const REPLICAS_MAX = 32;

/** How many of `n` replicas may be faulty in any way: f = ⌊(n − 1) / 3⌋. */
export function faultyOf(n: number): number {
  invariant(n >= REPLICAS_MIN, 'a ledger has at least four replicas');
  return Math.floor((n - 1) / 3);
}

/**
 * q = ⌈(n + f + 1) / 2⌉: any two sets of q share a correct replica, and q ≤ n − f always answer. Where
 * n is not 3f + 1, sets of 2f + 1 need not share one (n = 5, 6, 8, 9), so they stand nowhere here.
 */
export const quorumOf = (n: number): number => Math.ceil((n + faultyOf(n) + 1) / 2);

/** So many of `n` hold a correct one among them: for a reply, and to join a view change. */
export const weakQuorumOf = (n: number): number => faultyOf(n) + 1;
