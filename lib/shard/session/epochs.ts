import { invariant, must } from '#lib/kernel/assert.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { NO_HISTORY, historyFor } from '#lib/webgpu/sampling/params.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import type { OwnerOutput, PlannedPlace, RoutePlan } from './types.ts';
import { setDeadline } from './deadlines.ts';
import { finish } from './ending.ts';
import { orderFill } from './fill.ts';
import { SESSION } from './limits.ts';
import { pageDigests } from './prefix.ts';
import { reconsider } from './put-off.ts';
import {
  holders,
  lives,
  sendTo,
  update,
  type HeldPlace,
  type OwnerState,
  type Route,
  type Sender,
  type Turn,
} from './state.ts';

/** Makes the next epoch on `plan`: releases who is left out, prepares who is in (S2, S5). */
export function beginEpoch(turn: Turn, plan: RoutePlan, cause: string): void {
  invariant(turn.state.phase.kind !== 'done', 'once ending, no epoch is made (S10)');
  const { vainRooms } = turn.state;
  const vainEpochs = turn.state.vainEpochs + 1;
  if (vainEpochs - vainRooms > SESSION.vainEpochsMax || vainRooms > SESSION.vainRoomsMax) {
    finish(turn, { kind: 'lost', code: 'session/lost' });
    return;
  }
  const holdersBefore = holders(turn.state);
  const route = makeRoute(turn.state, plan);
  const everyone = new Map(turn.state.everyone);
  for (const place of route.places) everyone.set(place.node, place.incarnation);
  const pages = pagesBelow(turn.state, route.resumeAt);
  update(turn, { route, everyone, pages, vainEpochs, phase: { kind: 'preparing' } });
  releaseOthers(turn, route, holdersBefore);
  const atIndex = turn.state.acceptedIds.length;
  turn.out.push({ type: 'route-changed', epoch: route.epoch, plan, atIndex, cause });
  for (const holder of holders(turn.state)) {
    sendTo(turn, holder, prepareFor(turn.state, route, holder.node));
  }
  setDeadline(turn);
  // No place of a first epoch holds anything that it did not find: without that its fill need not
  // wait for reports (S5).
  if (route.epoch === 1 && route.resumeAt > 0 && turn.state.request.prefix?.mayHit !== true) {
    orderFill(
      turn,
      route.places.map(() => 0),
    );
  }
}

/** Any doubt is a new epoch: with the same route where every holder lives (S4). */
export function doubt(turn: Turn, cause: string): void {
  const { phase, route } = turn.state;
  if (phase.kind === 'done' || phase.kind === 'routing') return;
  beginEpoch(turn, must(route, 'a session that works has a route').plan, cause);
}

interface AskOptions {
  /** The holder that is short of pages (S11). */
  readonly noRoom?: Sender | null;
  readonly isPutOff?: boolean;
}

/** Asks for a route in which the living holders that are not put off stay at their ranges (S6). */
export function askRoute(turn: Turn, { noRoom = null, isPutOff = false }: AskOptions = {}): void {
  const { state } = turn;
  if (state.phase.kind === 'done') return;
  const keep: PlannedPlace[] = (state.route?.places ?? [])
    .filter((place) => lives(state, place) && place.node !== noRoom?.node)
    .filter((place) => !state.putOff.has(place.node))
    .map(({ node, incarnation, range, path }) => ({ node, incarnation, range, path }));
  update(turn, { phase: { kind: 'routing', asked: true, noRoom, isPutOff } });
  const without = [...state.putOff.keys()];
  turn.out.push({ type: 'need-route', keep, relay: state.suspects, without });
}

/**
 * Somebody was put off: the session goes on without, or ends at once where nobody else can. Once all
 * are forgiven it waits like any other.
 */
export const askOther = (turn: Turn): void => {
  askRoute(turn, { isPutOff: turn.state.putOff.size > 0 });
};

/** The answer to `need-route`. A plan with a holder lost meanwhile is asked for again. */
export function onRoute(turn: Turn, plan: RoutePlan | null): void {
  const { phase, route } = turn.state;
  if (phase.kind !== 'routing' || !phase.asked) return;
  const full = phase.noRoom;
  if (plan?.places.some((place) => isLost(turn.state, place))) {
    askRoute(turn, phase);
    return;
  }
  const isRefused = ({ node }: PlannedPlace): boolean =>
    node === full?.node || turn.state.putOff.has(node);
  if (plan === null || plan.places.some(isRefused)) {
    if (phase.isPutOff) onNobodyElse(turn);
    else update(turn, { phase: { ...phase, asked: false } });
    return;
  }
  beginEpoch(turn, plan, route ? 'moved' : 'start');
}

function onNobodyElse(turn: Turn): void {
  if (reconsider(turn)) askOther(turn);
  else finish(turn, { kind: 'lost', code: 'session/lost' });
}

/** Somebody joined or is ready: a session without a route asks again. */
export function onNodesChanged(turn: Turn): void {
  const { phase } = turn.state;
  if (phase.kind === 'routing' && !phase.asked) askRoute(turn, phase);
}

const isLost = (state: OwnerState, { node, incarnation }: Sender): boolean =>
  incarnation <= (state.lost.get(node) ?? -1);

/** Declared dead, fenced or left: only this removes a holder (V2, V3). */
export function onNodeLost(turn: Turn, lost: Sender): void {
  const { state } = turn;
  if (isLost(state, lost)) return;
  update(turn, { lost: new Map(state.lost).set(lost.node, lost.incarnation) });
  if (!lives(state, lost)) return;
  const held = state.route?.places.some((place) => place.node === lost.node) ?? false;
  const everyone = new Map(state.everyone);
  everyone.delete(lost.node);
  update(turn, { everyone });
  if (held) askRoute(turn);
}

/** A pause is over. Its places are held anew, so that `since` voids what it may have kept (S5). */
export function onNodeReturned(turn: Turn, { node, incarnation }: Sender): void {
  if (turn.state.lost.get(node) !== incarnation) return;
  const lost = new Map(turn.state.lost);
  lost.delete(node);
  update(turn, { lost });
}

/** The orchestrator fences this holder; for this session it is lost from now on (V1, V3). */
export function declare(
  turn: Turn,
  holder: Sender,
  why: Extract<OwnerOutput, { type: 'declare' }>['why'],
): void {
  const { node, incarnation } = holder;
  turn.out.push({ type: 'declare', node, incarnation, why });
  onNodeLost(turn, holder);
}

/** The direct path of a pair lost frames: a route that has them go by relay (V1). */
export function suspect(turn: Turn, pair: readonly [NodeId, NodeId]): void {
  const suspects = [...turn.state.suspects, pair].slice(-SESSION.suspectsMax);
  update(turn, { suspects });
  askRoute(turn);
}

/** Its frames go by relay already. */
export const isSuspect = ({ suspects }: OwnerState, [a, b]: readonly [NodeId, NodeId]): boolean =>
  suspects.some((pair) => pair.includes(a) && pair.includes(b));

function makeRoute(state: OwnerState, plan: RoutePlan): Route {
  const epoch = (state.route?.epoch ?? 0) + 1;
  const { promptIds } = state.request;
  return {
    epoch,
    plan,
    places: plan.places.map((place) => ({ ...place, since: sinceOf(state, plan, place) ?? epoch })),
    resumeAt: promptIds.length + state.acceptedIds.length - 1,
    proven: false,
    prepared: new Set(),
    reports: plan.places.map(() => null),
    starts: null,
    reached: [],
    progress: new Map(),
  };
}

/**
 * Since when this holder has had the range without a break; null where it takes it now. A holder
 * that left the route and returns, or a change of numerics (S9), starts from nothing.
 */
function sinceOf(state: OwnerState, plan: RoutePlan, place: PlannedPlace): number | null {
  const old = state.route;
  if (!old || old.plan.numerics !== plan.numerics || old.plan.wireDtype !== plan.wireDtype) {
    return null;
  }
  const same = (held: HeldPlace): boolean =>
    held.node === place.node &&
    held.incarnation === place.incarnation &&
    held.range.first === place.range.first &&
    held.range.last === place.range.last;
  return old.places.find((held) => same(held) && lives(state, held))?.since ?? null;
}

function releaseOthers(turn: Turn, route: Route, before: readonly Sender[]): void {
  const { session } = turn.state.request;
  for (const holder of before) {
    if (route.places.some((place) => place.node === holder.node)) continue;
    sendTo(turn, holder, { type: 'release', session, epoch: route.epoch });
  }
}

/** Names of the whole pages of prompt and accepted ids below a position. */
function pagesBelow({ request, acceptedIds, pages }: OwnerState, end: number): readonly string[] {
  if (!request.prefix) return pages;
  return pageDigests(request.prefix, [...request.promptIds, ...acceptedIds].slice(0, end), pages);
}

/** A first epoch is told to look only where somebody may have something (S5). */
function prefixFor({ request: { prefix }, pages }: OwnerState, { epoch }: Route) {
  if (!prefix) return {};
  const { pagePositions } = prefix;
  const mayHit = epoch > 1 || prefix.mayHit;
  return { prefix: { pagePositions, mayHit, digests: [...pages] } };
}

function prepareFor(state: OwnerState, route: Route, node: NodeId): Prepare {
  const { request, acceptedIds } = state;
  const embeds = route.places[0]?.node === node;
  const samples = route.places.at(-1)?.node === node;
  const guesses = samples && request.draftsMax > 0;
  return {
    type: 'prepare',
    session: request.session,
    epoch: route.epoch,
    resumeAt: route.resumeAt,
    promptLength: request.promptIds.length,
    route: route.places.map(({ node, incarnation, range, since, path }) => ({
      node,
      incarnation,
      range,
      since,
      path,
    })),
    ids: embeds || guesses ? [...request.promptIds, ...acceptedIds] : [],
    history: samples ? historyFor(request, request.promptIds, acceptedIds) : NO_HISTORY,
    grammar: samples ? request.grammar : null,
    manifest: request.manifest,
    numerics: route.plan.numerics,
    wireDtype: route.plan.wireDtype,
    sampling: request.sampling,
    maxTokens: request.maxTokens,
    eosIds: [...request.eosIds],
    draftsMax: request.draftsMax,
    chunkRows: route.plan.chunkRows,
    ...prefixFor(state, route),
  };
}
