import { unreachable } from '#lib/kernel/assert.ts';
import { FaultError, type FaultCode } from '#lib/kernel/errors.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import { overLinks, replaceRoute } from '#lib/shard/placement/core.ts';
import { stepOwner, viewOwner } from '#lib/shard/session/owner.ts';
import type { OwnerInput, OwnerOutput, PlannedPlace } from '#lib/shard/session/types.ts';
import type { Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { routeCluster } from './cluster.ts';
import { sendNode, setSession, update, type Loss, type Turn } from './events.ts';
import { failoverLoaded, failoverLost, failoverRouted, failoverTold } from './failover.ts';
import { relayPairs } from './links.ts';
import { loseNode } from './loss.ts';
import { rememberRoute } from './prefix-routes.ts';
import { NO_ROUNDS, roundTold } from './pace.ts';
import { routeView } from './route-view.ts';
import { nodeKey, type NodeRecord, type SessionRecord } from './state.ts';

/** Runs the owners of all sessions: feeds their cores and performs what they order. */

/** One input to one owner, and everything that follows from it. */
export function stepSession(turn: Turn, id: SessionId, input: OwnerInput): void {
  const session = turn.state.sessions.get(id);
  if (!session) return;
  const [owner, outputs] = stepOwner(session.owner, input, turn.now);
  if (owner !== session.owner) setSession(turn, { ...session, owner });
  performAll(turn, id, outputs);
}

export function performAll(turn: Turn, id: SessionId, outputs: readonly OwnerOutput[]): void {
  for (const output of outputs) perform(turn, id, output);
}

function perform(turn: Turn, id: SessionId, output: OwnerOutput): void {
  const session = turn.state.sessions.get(id);
  if (!session) return;
  switch (output.type) {
    case 'send': {
      const { node, incarnation, message } = output;
      if (message.type === 'fill' || message.type === 'handover') failoverLoaded(turn, session);
      turn.out.push({ type: 'send', node, incarnation, message: { type: 'session', message } });
      return;
    }
    case 'accept': {
      const { index, id: token, finish, logprobs } = output;
      const told = { index, id: token, finish, ...(logprobs && { logprobs }) };
      failoverTold(turn, session);
      if (index === session.owner.request.acceptedIds.length) {
        rememberRoute(turn, session);
        // Those that wait for this prompt.
        turn.wake ||= turn.state.queue.length > 0;
      }
      roundTold(turn, id);
      turn.out.push({ type: 'event', session: id, event: { type: 'token', ...told } });
      return;
    }
    case 'need-route':
      return findRoute(turn, session, output);
    case 'declare':
      return declare(turn, session, output);
    case 'route-changed': {
      const routed = failoverRouted(
        turn,
        { ...session, plan: output.plan, rounds: NO_ROUNDS },
        output.epoch,
      );
      setSession(turn, routed);
      const route = routeView(turn.state, routed, output);
      turn.out.push({ type: 'event', session: id, event: { type: 'route', route } });
      return;
    }
    case 'prefix-hit': {
      const { positions } = output;
      turn.out.push({ type: 'event', session: id, event: { type: 'prefix-hit', positions } });
      return;
    }
    case 'done':
      return finish(turn, id, output.outcome);
    default:
      return unreachable(output);
  }
}

/** A living holder that is not to be kept ran short of pages: another must take its place (S11). */
function shortOfPages(session: SessionRecord, keep: readonly PlannedPlace[]) {
  const kept = new Set(keep.map(nodeKey));
  const lost = new Set(session.lost);
  return new Set(
    viewOwner(session.owner)
      .places.filter((place) => !kept.has(nodeKey(place)) && !lost.has(nodeKey(place)))
      .map((place) => place.node),
  );
}

/** Living nodes that this owner has lost, all the same: it would refuse them for ever. */
function lostTo(turn: Turn, session: SessionRecord) {
  const lost = new Set(session.lost);
  return [...turn.state.nodes.values()]
    .filter(({ id, incarnation }) => lost.has(nodeKey({ node: id, incarnation })))
    .map(({ id }) => id);
}

function findRoute(
  turn: Turn,
  session: SessionRecord,
  { keep, relay, without: putOff }: Extract<OwnerOutput, { type: 'need-route' }>,
): void {
  const without = new Set([...shortOfPages(session, keep), ...lostTo(turn, session), ...putOff]);
  const cluster = routeCluster(turn.state, session.positions, without);
  const found = replaceRoute(cluster, keep, relay);
  relayPairs(turn, relay);
  // Another way to travel would void what every holder has (S9).
  const wireDtype = session.plan?.wireDtype ?? cluster.wireDtype;
  const plan = found && overLinks(cluster, found, wireDtype);
  stepSession(turn, session.id, { type: 'route', plan });
}

/** An owner's complaint is the orchestrator's declaration (V3). */
function declare(
  turn: Turn,
  session: SessionRecord,
  { node: id, incarnation, why }: Extract<OwnerOutput, { type: 'declare' }>,
): void {
  setSession(turn, failoverLost(turn, session, { node: id, cause: why }));
  const node = turn.state.nodes.get(id);
  if (node?.incarnation === incarnation) loseNode(turn, node, why);
}

const hasToken = ({ owner }: SessionRecord): boolean =>
  owner.acceptedIds.length > owner.request.acceptedIds.length;

function finish(
  turn: Turn,
  id: SessionId,
  outcome: Extract<OwnerOutput, { type: 'done' }>['outcome'],
): void {
  const session = turn.state.sessions.get(id);
  // Without a token nobody knows how much of the prompt was read.
  if (session && hasToken(session) && outcome.kind !== 'lost') rememberRoute(turn, session);
  const sessions = new Map(turn.state.sessions);
  sessions.delete(id);
  update(turn, { sessions });
  turn.wake = true;
  switch (outcome.kind) {
    case 'finished':
      return;
    case 'cancelled':
      turn.out.push({ type: 'event', session: id, event: { type: 'cancelled' } });
      return;
    case 'lost': {
      const fault = new FaultError(outcome.code, LOST[outcome.code] ?? 'the answer was lost');
      turn.out.push({ type: 'event', session: id, event: { type: 'lost', fault } });
      return;
    }
    default:
      return unreachable(outcome);
  }
}

const LOST: Partial<Record<FaultCode, string>> = {
  'session/no-cover': 'some layers had no holder for 30 seconds',
  'session/lost': 'no helper could bring the answer on',
};

/** Tells every owner of the nodes that were lost in this step; more may be lost meanwhile. */
export function tellLosses(turn: Turn): void {
  for (let loss = turn.losses.shift(); loss; loss = turn.losses.shift()) {
    for (const session of [...turn.state.sessions.values()]) loseHolder(turn, session, loss);
  }
}

/** A pause is over: owners may give the node places again (V2). */
export function tellReturn(turn: Turn, node: NodeRecord): void {
  const place = { node: node.id, incarnation: node.incarnation };
  for (const session of [...turn.state.sessions.values()]) {
    const lost = session.lost.filter((key) => key !== nodeKey(place));
    setSession(turn, { ...session, lost });
    stepSession(turn, session.id, { type: 'node-returned', ...place });
  }
}

function loseHolder(turn: Turn, session: SessionRecord, { node, cause }: Loss): void {
  const { id } = session;
  const place = { node: node.id, incarnation: node.incarnation };
  const view = viewOwner(session.owner);
  const holds = view.places.some((held) => nodeKey(held) === nodeKey(place));
  const marked = holds ? failoverLost(turn, session, { node: node.id, cause }) : session;
  setSession(turn, { ...marked, lost: [...session.lost, nodeKey(place)] });
  if (holds && cause === 'paused') {
    // It lives, and would keep KV that no route needs until it expires (S10).
    const message = { type: 'release', session: id, epoch: view.epoch } as const;
    sendNode(turn, node, { type: 'session', message });
  }
  stepSession(turn, id, { type: 'node-lost', ...place });
}

/** S10: whatever is said about a session that is not here is answered with its end. */
export function onSessionMessage(turn: Turn, node: NodeRecord, message: StageMessage): void {
  const from = { node: node.id, incarnation: node.incarnation };
  if (message.type === 'resync') {
    for (const { session } of message.sessions)
      if (!isOpen(turn, session)) end(turn, node, session);
    for (const id of [...turn.state.sessions.keys()]) {
      const sessions = message.sessions.filter((entry) => entry.session === id);
      stepSession(turn, id, { type: 'message', ...from, message: { type: 'resync', sessions } });
    }
    return;
  }
  // No device samples it; whoever holds place 0 could not embed it, and would be blamed (M7).
  if (message.type === 'token' && message.id >= turn.state.config.model.shape.vocab) {
    return loseNode(turn, node, 'wrong-answer');
  }
  if (!isOpen(turn, message.session)) return end(turn, node, message.session);
  stepSession(turn, message.session, { type: 'message', ...from, message });
}

const isOpen = (turn: Turn, id: SessionId): boolean => turn.state.sessions.has(id);

const end = (turn: Turn, node: NodeRecord, session: SessionId): void =>
  sendNode(turn, node, { type: 'session', message: { type: 'end', session } });

/** What a pong counts, to the owner of each session it names (V1). */
export function onProgress(turn: Turn, node: NodeRecord, progress: readonly Progress[]): void {
  for (const id of new Set(progress.map((entry) => entry.session))) {
    stepSession(turn, id, {
      type: 'progress',
      node: node.id,
      incarnation: node.incarnation,
      progress: progress.filter((entry) => entry.session === id),
    });
  }
}

export function tickSessions(turn: Turn): void {
  for (const [id, session] of [...turn.state.sessions]) {
    if (turn.now >= viewOwner(session.owner).deadline) stepSession(turn, id, { type: 'tick' });
  }
}

/** Somebody is ready: sessions that wait for a route ask again. */
export function wakeSessions(turn: Turn): void {
  for (const [id, session] of [...turn.state.sessions]) {
    if (viewOwner(session.owner).phase === 'routing') {
      stepSession(turn, id, { type: 'nodes-changed' });
    }
  }
}
