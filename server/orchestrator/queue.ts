import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import { later } from '#lib/kernel/units.ts';
import { gapsOf, planRoute, preferRoute } from '#lib/shard/placement/core.ts';
import { createOwner } from '#lib/shard/session/owner.ts';
import type { RoutePlan } from '#lib/shard/session/types.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { AnswerRequest } from './answers.ts';
import { agreeWire } from './agree-wire.ts';
import { isOpen, routeCluster, workingNodes } from './cluster.ts';
import { setSession, update, type Turn } from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import { performAll, stepSession } from './owners.ts';
import { isBeingRead, knownPrefix, promptPages, sharingOf } from './prefix-routes.ts';
import { NO_ROUNDS } from './pace.ts';
import type { OrchestratorState, Waiting } from './state.ts';

/** Requests before they run: refused, waiting in order, or begun. */

/** Positions for which admission reserves KV. */
const positionsOf = (request: AnswerRequest): number =>
  request.promptIds.length +
  request.acceptedIds.length +
  Math.min(request.maxTokens, ORCHESTRATOR.reservedNewMax);

/** Why a request cannot even wait; null where it may. */
export function refusalOf(state: OrchestratorState, request: AnswerRequest): FaultError | null {
  const { modelId, model } = state.config;
  if (request.model !== modelId) {
    return new FaultError('request/model-not-found', `the model ${request.model} is not served`);
  }
  const length = request.promptIds.length + request.acceptedIds.length;
  if (length === 0) return new FaultError('request/invalid', 'the prompt has no tokens');
  if (length >= model.shape.contextMax) {
    const details = { tokens: length, contextMax: model.shape.contextMax };
    const message = `${length} tokens leave no room in a context of ${model.shape.contextMax}`;
    return new FaultError('session/context-length', message, { details });
  }
  const last = request.acceptedIds.at(-1);
  const isEnded = last !== undefined && request.eosIds.includes(last);
  if (isEnded || request.acceptedIds.length >= request.maxTokens) {
    return new FaultError('request/invalid', 'the answer is complete already');
  }
  const missing = uncoveredLayers(state);
  const first = missing[0];
  if (first) {
    const layers = missing.map((range) => `${range.first}–${range.last}`).join(', ');
    const details = { layers, firstLayer: first.first, lastLayer: missing.at(-1)?.last ?? 0 };
    return new FaultError('session/no-cover', `no node holds layers ${layers}`, { details });
  }
  if (state.queue.length >= ORCHESTRATOR.queueMax) {
    const details = { queued: state.queue.length };
    return new FaultError('session/queue-full', 'more requests than helpers just now', { details });
  }
  return null;
}

/** Layers that nobody holds, loads just now, or could load from its cache. */
export function uncoveredLayers(state: OrchestratorState): LayerRange[] {
  const { layers } = state.config.model.shape;
  const held = workingNodes(state).flatMap((node) => (node.range ? [node.range] : []));
  const gaps = gapsOf(held, layers);
  const canLoad = gaps.length > 0 && planRoute(routeCluster(state, 0), { load: true }) !== null;
  return canLoad ? [] : gaps;
}

export function startRequest(turn: Turn, session: SessionId, request: AnswerRequest): void {
  const pages = promptPages(turn.state, request);
  const waiting = { session, request, pages, since: turn.now, position: -1 };
  update(turn, { queue: [...turn.state.queue, waiting] });
  pumpQueue(turn);
}

export function cancelRequest(turn: Turn, session: SessionId): void {
  const queue = turn.state.queue.filter((waiting) => waiting.session !== session);
  if (queue.length === turn.state.queue.length) {
    return stepSession(turn, session, { type: 'cancel' });
  }
  update(turn, { queue });
  turn.out.push({ type: 'event', session, event: { type: 'cancelled' } });
  tellPositions(turn);
}

/**
 * Begins requests in order while there are routes with room, but those whose prompt is just being
 * read for another; tells the rest where they stand.
 */
export function pumpQueue(turn: Turn): void {
  for (let head = headOf(turn.state); head; head = headOf(turn.state)) {
    const plan = routeFor(turn.state, head);
    if (!plan) break;
    update(turn, { queue: turn.state.queue.filter((waiting) => waiting !== head) });
    begin(turn, head, agreeWire(turn.state, head, plan));
  }
  tellPositions(turn);
}

const headOf = (state: OrchestratorState): Waiting | undefined =>
  state.queue.find((waiting) => !isBeingRead(state, waiting));

/** Ranges that are loaded; those that would have to be loaded only where nothing else is coming. */
function routeFor(state: OrchestratorState, waiting: Waiting): RoutePlan | null {
  const cluster = routeCluster(state, positionsOf(waiting.request));
  const plan = planRoute(cluster);
  if (plan && isWideEnough(state, plan)) {
    const known = knownPrefix(state, waiting);
    return known ? preferRoute(cluster, plan, known) : plan;
  }
  return isSettling(state) ? null : planRoute(cluster, { load: true });
}

/** P2: different nodes, as many as are wanted and hold a stage of the present cut. */
function isWideEnough(state: OrchestratorState, plan: RoutePlan): boolean {
  const nodes = new Set(plan.places.map((place) => place.node)).size;
  const holders = workingNodes(state).filter((node) => node.range !== null).length;
  return nodes >= Math.min(state.config.minStages, holders, state.stages.length);
}

/** A holder loads or is checked, or a link is being made: soon there is a better route. */
function isSettling(state: OrchestratorState): boolean {
  const holders = workingNodes(state).filter((node) => node.range !== null);
  const loading = holders.some(({ proven, loaded }) => !proven || loaded.length === 0);
  const ids = new Set(holders.map((node) => node.id));
  const linking = [...state.links.values()].some(
    (link) => !isOpen(link) && link.tries <= 1 && ids.has(link.a) && ids.has(link.b),
  );
  return loading || linking;
}

function begin(turn: Turn, waiting: Waiting, plan: RoutePlan): void {
  const { session, request } = waiting;
  const { promptIds, acceptedIds, maxTokens, sampling, grammar, mayFollow, eosIds } = request;
  const { manifest, draftsMax } = turn.state.config;
  const prefix = sharingOf(turn.state, waiting, plan);
  const words = { promptIds, acceptedIds, maxTokens, eosIds };
  const [owner, outputs] = createOwner(
    {
      ...{ session, manifest, ...words, sampling, grammar, draftsMax, ...prefix },
      ...(mayFollow && { mayFollow }),
    },
    plan,
    turn.now,
  );
  setSession(turn, {
    id: session,
    owner,
    plan: null,
    positions: positionsOf(request),
    startedAt: turn.now,
    acceptedAt: turn.now,
    failover: null,
    rounds: NO_ROUNDS,
    lost: [],
  });
  performAll(turn, session, outputs);
}

/** Those that wait for room, in their order; who waits for a prompt that is being read is next then. */
function tellPositions(turn: Turn): void {
  const { state } = turn;
  let next = 0;
  const positions = state.queue.map((waiting) => {
    if (isBeingRead(state, waiting)) return waiting.position;
    next += 1;
    return next - 1;
  });
  if (state.queue.every((waiting, at) => waiting.position === positions[at])) return;
  const queue = state.queue.map((waiting, at) => {
    const position = must(positions[at], 'a position each');
    if (waiting.position === position) return waiting;
    const event = { type: 'queued', position } as const;
    turn.out.push({ type: 'event', session: waiting.session, event });
    return { ...waiting, position };
  });
  update(turn, { queue });
}

/** Nobody waits for ever. */
export function tickQueue(turn: Turn): void {
  restartWaits(turn);
  const overdue = (waiting: Waiting): boolean =>
    turn.now >= later(waiting.since, ORCHESTRATOR.queueWaitMs);
  for (const { session } of turn.state.queue.filter(overdue)) {
    const isOpenCover = uncoveredLayers(turn.state).length === 0;
    const fault = isOpenCover
      ? new FaultError('session/queue-full', 'no helper had room in time')
      : new FaultError('session/no-cover', 'some layers have no holder');
    turn.out.push({ type: 'event', session, event: { type: 'lost', fault } });
  }
  const queue = turn.state.queue.filter((waiting) => !overdue(waiting));
  if (queue.length < turn.state.queue.length) update(turn, { queue });
}

/** Who waits for a prompt that is being read has not begun to wait for room. */
function restartWaits(turn: Turn): void {
  const { state, now } = turn;
  if (!state.queue.some((waiting) => isBeingRead(state, waiting))) return;
  const queue = state.queue.map((waiting) =>
    isBeingRead(state, waiting) ? { ...waiting, since: now } : waiting,
  );
  update(turn, { queue });
}
