import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { REPLICA_TIMES } from './limits.ts';

/** When each other member was heard last, on this machine's monotonic clock. */
export interface Hearing {
  readonly startedAt: number;
  readonly heardAt: ReadonlyMap<string, number>;
}

export const startHearing = (now: number): Hearing => ({ startedAt: now, heardAt: new Map() });

export const heard = (hearing: Hearing, id: string, now: number): Hearing => ({
  ...hearing,
  heardAt: new Map(hearing.heardAt).set(id, now),
});

/** Of these members, how many were heard lately. In the first moments all count: none could be. */
export function heardCount(
  { startedAt, heardAt }: Hearing,
  others: readonly string[],
  now: number,
): number {
  const since = now - REPLICA_TIMES.noQuorumMs;
  return others.filter((id) => (heardAt.get(id) ?? startedAt) >= since).length;
}

/** Fewer than q − 1 others for 2 s: nothing can be ordered through this replica. */
export const hasQuorum = (hearing: Hearing, others: readonly string[], now: number): boolean =>
  heardCount(hearing, others, now) >= quorumOf(others.length + 1) - 1;
