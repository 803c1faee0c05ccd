import { later } from '#lib/kernel/units.ts';
import { gainOf, planCluster, planRoute, stepReplan } from '#lib/shard/placement/core.ts';
import { applyPlan } from './assign.ts';
import { planNodes, routeCluster } from './cluster.ts';
import { update, type Turn } from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import { tickPace } from './pace.ts';
import type { OrchestratorState } from './state.ts';

/** When the cluster is planned anew (P3). */

/** Somebody came, went or changed: ranges without a holder are given out at once. */
export function replan(turn: Turn): void {
  const { state } = turn;
  const nodes = planNodes(state);
  if (nodes.length === 0) return;
  const { model, minStages } = state.config;
  const patient = isPatient(turn, nodes.length);
  const { stages } = state;
  applyPlan(turn, planCluster({ model, nodes, minStages, stages, patient }), 'nodes');
}

/**
 * Fewer nodes than the cut needs: more may come, and a tab that was closed by mistake comes back to
 * the range that it has cached. While take-overs cover the hole nothing is gained by moving others.
 */
function isPatient({ state, now }: Turn, nodes: number): boolean {
  const { minStages, model } = state.config;
  const wanted = Math.max(Math.min(minStages, model.shape.layers), state.stages.length);
  if (nodes >= wanted) return false;
  const covered = planRoute(routeCluster(state, 0), { load: true }) !== null;
  const waitMs = covered ? ORCHESTRATOR.coveredPatienceMs : ORCHESTRATOR.patienceMs;
  return now < later(state.changedAt, waitMs);
}

/** Patience may be over, and a faster cut may have lasted long enough. */
export function tickPlanning(turn: Turn): void {
  if (turn.now < turn.state.speedCheckAt) return;
  update(turn, { speedCheckAt: later(turn.now, ORCHESTRATOR.speedCheckMs) });
  tickPace(turn);
  replan(turn);
  considerSpeed(turn);
}

/** Only while somebody would gain: idle nodes are left in peace, whatever their last steps took. */
function considerSpeed(turn: Turn): void {
  const { state } = turn;
  const next = state.sessions.size > 0 ? fasterCut(state) : null;
  const { state: replanState, go } = stepReplan(state.replan, next?.gain ?? 0, turn.now);
  if (replanState !== state.replan) update(turn, { replan: replanState });
  if (go && next) applyPlan(turn, next.plan, 'speed');
}

function fasterCut(state: OrchestratorState) {
  const nodes = planNodes(state);
  if (nodes.length === 0 || state.stages.length === 0) return null;
  const { model, minStages } = state.config;
  const request = { model, nodes, minStages, patient: false };
  const present = planCluster({ ...request, stages: state.stages });
  const plan = planCluster({ ...request, stages: [] });
  return { plan, gain: gainOf(present, plan) };
}
