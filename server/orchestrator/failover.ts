import type { NodeId } from '#lib/kernel/ids.ts';
import { logEntry, setSession, type Turn } from './events.ts';
import type { LossCause, SessionRecord } from './state.ts';

/** The three instants of a failover, from which its log line is made: lost, routed, next token. */

export function failoverLost(
  turn: Turn,
  session: SessionRecord,
  { node, cause }: { readonly node: NodeId; readonly cause: LossCause },
): SessionRecord {
  // A loss during a failover belongs to it: the reader sees one pause.
  if (session.failover) return { ...session, failover: { ...session.failover, node, cause } };
  const failover = { node, cause, lostAt: turn.now, routedAt: null, epoch: 0 };
  return { ...session, failover };
}

export function failoverRouted(turn: Turn, session: SessionRecord, epoch: number): SessionRecord {
  if (!session.failover) return session;
  return { ...session, failover: { ...session.failover, routedAt: turn.now, epoch } };
}

/** A token was accepted: the pause, if there was one, is over. */
export function failoverTold(turn: Turn, session: SessionRecord): void {
  const { failover, acceptedAt } = session;
  setSession(turn, { ...session, acceptedAt: turn.now, failover: null });
  if (!failover) return;
  const routedAt = failover.routedAt ?? failover.lostAt;
  logEntry(turn, {
    event: 'failover',
    session: session.id,
    epoch: failover.epoch,
    node: failover.node,
    cause: failover.cause,
    detectMs: Math.round(failover.lostAt - acceptedAt),
    planMs: Math.round(routedAt - failover.lostAt),
    replayMs: Math.round(turn.now - routedAt),
    totalMs: Math.round(turn.now - acceptedAt),
  });
}
