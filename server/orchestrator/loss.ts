import { later } from '#lib/kernel/units.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import { changeNode, logEntry, update, type Turn } from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import { dropLinks } from './links.ts';
import { distrustPages } from './prefix-routes.ts';
import type { FenceReason, LossCause, NodeRecord } from './state.ts';

/** Who is dead (V1, V2, V3): only here is it decided, and it is final for the incarnation. */

const FENCE: Partial<Record<LossCause, FenceReason>> = {
  silent: { code: 'mesh/closed', message: 'no sign of life for 2 seconds' },
  disconnected: { code: 'mesh/closed', message: 'the socket closed and did not come back in time' },
  'no-prepared': { code: 'mesh/closed', message: 'the node did not answer an order' },
  'not-working': { code: 'kernel/timeout', message: 'the node took work and did not return it' },
  overrun: { code: 'mesh/limit', message: 'more messages than a node has reason to send' },
  'wrong-answer': { code: 'engine/wrong-answer', message: 'the device computes wrong results' },
};

/** Ends an incarnation: fenced, out of every session, shown as lost for a while (V3). */
export function loseNode(turn: Turn, node: NodeRecord, cause: LossCause): void {
  const { standing } = turn.state.nodes.get(node.id) ?? node;
  if (standing.kind === 'lost' || standing.kind === 'left') return;
  const kind = cause === 'left' ? 'left' : 'lost';
  changeNode(turn, node, { standing: { kind, at: turn.now }, check: null });
  logEntry(turn, { event: 'node-lost', node: node.id, cause });
  const reason = FENCE[cause];
  const { id, incarnation } = node;
  if (reason) turn.out.push({ type: 'fence', node: id, incarnation, reason });
  dropLinks(turn, id);
  if (cause === 'wrong-answer') distrustPages(turn);
  leaveSessions(turn, node, cause);
}

/** V2: the incarnation lives on, its places are given up at once. */
export function pauseNode(turn: Turn, node: NodeRecord): void {
  if (node.standing.kind === 'paused') return;
  const paused = changeNode(turn, node, { standing: { kind: 'paused' } });
  logEntry(turn, { event: 'node-lost', node: node.id, cause: 'paused' });
  leaveSessions(turn, paused, 'paused');
}

/** The owners are told at the end of the step: a loss may come from the middle of one's work. */
function leaveSessions(turn: Turn, node: NodeRecord, cause: LossCause): void {
  update(turn, { changedAt: turn.now });
  turn.losses.push({ node, cause });
  turn.replan = true;
}

/** Silence, closed sockets, and lost nodes that have been shown long enough. */
export function tickLiveness(turn: Turn): void {
  forgiveStall(turn);
  for (const node of [...turn.state.nodes.values()]) {
    const { standing, closedAt, heardAt } = node;
    if (standing.kind === 'lost' || standing.kind === 'left') {
      if (turn.now >= later(standing.at, ORCHESTRATOR.lostShownMs)) forget(turn, node);
    } else if (closedAt !== null && turn.now >= later(closedAt, ORCHESTRATOR.graceMs)) {
      loseNode(turn, node, 'disconnected');
    } else if (turn.now >= later(heardAt, TIMES.silenceDeadMs)) {
      loseNode(turn, node, 'silent');
    }
  }
}

/**
 * A process that stood still (a laptop asleep, a debugger) heard nobody: their silence is ours.
 * Without this one stall would declare every node dead. Only what goes beyond a tolerable lag is
 * forgiven, so that a server that always lags still notices the dead.
 */
function forgiveStall(turn: Turn): void {
  const stood = turn.now - turn.state.tickedAt - ORCHESTRATOR.stallMs;
  update(turn, { tickedAt: turn.now });
  if (stood <= 0) return;
  for (const node of [...turn.state.nodes.values()]) {
    const heardAt = later(node.heardAt, stood);
    changeNode(turn, node, {
      heardAt,
      closedAt: node.closedAt === null ? null : later(node.closedAt, stood),
    });
  }
}

function forget(turn: Turn, node: NodeRecord): void {
  const nodes = new Map(turn.state.nodes);
  nodes.delete(node.id);
  update(turn, { nodes });
}
