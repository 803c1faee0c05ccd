import type { SessionId } from '#lib/kernel/ids.ts';
import {
  forgetPace,
  learnPaces,
  linkMs,
  middleOf,
  pairKey,
  stepMs,
} from '#lib/shard/placement/core.ts';
import { PACE, PLACEMENT } from '#lib/shard/placement/limits.ts';
import { viewOwner } from '#lib/shard/session/owner.ts';
import type { RoutePlan } from '#lib/shard/session/types.ts';
import { measuredSpeedOf, sessionsOn, speedOf } from './cluster.ts';
import { changeNode, logEntry, setSession, type Turn } from './events.ts';
import { nodeKey, type NodeRecord, type OrchestratorState, type SessionRecord } from './state.ts';

/**
 * Rounds of running answers, held against what placement predicted for them: a node that is slower
 * than it says loses its place in the answers to come (P3). Running ones never move.
 */

/** Nothing seen yet, or the route is a new one. */
export const NO_ROUNDS: SessionRecord['rounds'] = { since: null, ms: [] };

/** A token was accepted: one round more, and after enough of them a judgement. */
export function roundTold(turn: Turn, id: SessionId): void {
  const session = turn.state.sessions.get(id);
  if (!session?.plan) return;
  const { since, ms } = session.rounds;
  const counts = since !== null && isQuiet(turn.state, session.plan);
  const rounds = counts ? [...ms, turn.now - since] : ms;
  const isEnough = rounds.length >= PACE.roundsMin;
  setSession(turn, { ...session, rounds: { since: turn.now, ms: isEnough ? [] : rounds } });
  if (isEnough) judge(turn, session.plan, middleOf(rounds));
}

/** A chunk of another prompt's prefill holds a round up, and is nobody's slowness. */
function isQuiet(state: OrchestratorState, plan: RoutePlan): boolean {
  const nodes = new Set(plan.places.map(({ node }) => node));
  return [...state.sessions.values()].every((other) => {
    const { phase, places } = viewOwner(other.owner);
    const computes = phase === 'preparing' || phase === 'filling';
    return !computes || !places.some(({ node }) => nodes.has(node));
  });
}

function judge(turn: Turn, plan: RoutePlan, measuredMs: number): void {
  const { state } = turn;
  const holders = holdersOf(state, plan);
  const round = {
    measuredMs,
    stepsMs: stepsMsOf(state, plan, measuredSpeedOf),
    pacedStepsMs: stepsMsOf(state, plan, speedOf),
    hopsMs: hopsMsOf(state, plan),
  };
  const paces = learnPaces(
    holders.map((node) => node.pace),
    round,
    turn.now,
  );
  for (const [at, node] of holders.entries()) {
    const pace = paces[at];
    if (!pace || pace === node.pace) continue;
    if (pace.factor > 1 && node.pace.factor === 1) {
      const timesPredicted = Math.round(pace.factor * 10) / 10;
      logEntry(turn, { event: 'node-slow', node: node.id, timesPredicted });
    }
    changeNode(turn, node, { pace });
  }
}

/** The living holders of a route, each once. */
function holdersOf(state: OrchestratorState, plan: RoutePlan): NodeRecord[] {
  const keys = new Set(plan.places.map(nodeKey));
  return [...state.nodes.values()].filter(({ id: node, incarnation }) =>
    keys.has(nodeKey({ node, incarnation })),
  );
}

/** Predicted steps of all places, with the sessions that they serve now. */
function stepsMsOf(
  state: OrchestratorState,
  plan: RoutePlan,
  speed: typeof measuredSpeedOf,
): number {
  let sum = 0;
  for (const { node: id, range } of plan.places) {
    const node = state.nodes.get(id);
    const rows = Math.max(1, sessionsOn(state, id));
    if (node) sum += stepMs(state.config.model.shape, speed(state, node), { range, rows });
  }
  return sum;
}

function hopsMsOf(state: OrchestratorState, { places }: RoutePlan): number {
  let sum = 0;
  for (const [at, { node }] of places.entries()) {
    const next = places[(at + 1) % places.length]?.node ?? node;
    const link = state.links.get(pairKey(node, next));
    if (next !== node) sum += link ? linkMs(link) : PLACEMENT.hopMsDefault;
  }
  return sum;
}

/** Who was slow long ago may have got faster: nobody would ever see it without a try. */
export function tickPace(turn: Turn): void {
  for (const node of [...turn.state.nodes.values()]) {
    const pace = forgetPace(node.pace, turn.now);
    if (pace !== node.pace) changeNode(turn, node, { pace });
  }
}
