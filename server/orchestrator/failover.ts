import type { NodeId } from '#lib/kernel/ids.ts';
import { logEntry, setSession, type Turn } from './events.ts';
import type { LossCause, SessionRecord } from './state.ts';

/**
 * The instants of a failover, from which its log line is made: lost, routed, loaded, next token.
 * Loaded is when the owner orders the fill or the hand-over: it does so once all holders have
 * reported, and a holder reports when its layers are in memory.
 */

export function failoverLost(
  turn: Turn,
  session: SessionRecord,
  { node, cause }: { readonly node: NodeId; readonly cause: LossCause },
): SessionRecord {
  // A loss during a failover belongs to it: the reader sees one pause.
  if (session.failover) return { ...session, failover: { ...session.failover, node, cause } };
  const failover = { node, cause, lostAt: turn.now, routedAt: null, loadedAt: null, epoch: 0 };
  return { ...session, failover };
}

export function failoverRouted(turn: Turn, session: SessionRecord, epoch: number): SessionRecord {
  if (!session.failover) return session;
  const routed = { routedAt: turn.now, loadedAt: null, epoch };
  return { ...session, failover: { ...session.failover, ...routed } };
}

export function failoverLoaded(turn: Turn, session: SessionRecord): void {
  const { failover } = session;
  if (failover?.loadedAt !== null) return;
  setSession(turn, { ...session, failover: { ...failover, loadedAt: turn.now } });
}

/** A token was accepted: the pause, if there was one, is over. */
export function failoverTold(turn: Turn, session: SessionRecord): void {
  const { failover, acceptedAt } = session;
  setSession(turn, { ...session, acceptedAt: turn.now, failover: null });
  if (!failover) return;
  const routedAt = failover.routedAt ?? failover.lostAt;
  const loadedAt = failover.loadedAt ?? routedAt;
  logEntry(turn, {
    event: 'failover',
    session: session.id,
    epoch: failover.epoch,
    node: failover.node,
    cause: failover.cause,
    detectMs: Math.round(failover.lostAt - acceptedAt),
    planMs: Math.round(routedAt - failover.lostAt),
    loadMs: Math.round(loadedAt - routedAt),
    replayMs: Math.round(turn.now - loadedAt),
    totalMs: Math.round(turn.now - acceptedAt),
  });
}
