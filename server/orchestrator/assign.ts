import { rangeKey, sameRange, type ClusterPlan } from '#lib/shard/placement/core.ts';
import { changeNode, logEntry, sendNode, update, type Turn } from './events.ts';
import type { NodeRecord } from './state.ts';
import { askExpected, questionOf } from './trust.ts';

/** Tells every node what the plan changes for it, and no other. */
export function applyPlan(turn: Turn, plan: ClusterPlan, why: 'nodes' | 'speed'): void {
  const stages = plan.stages.map(rangeKey).join(' ');
  if (stages !== turn.state.stages.map(rangeKey).join(' ')) {
    logEntry(turn, { event: 'plan', stages, why });
  }
  update(turn, { stages: plan.stages });
  for (const { node: id, range, takeOver } of plan.assignments) {
    const node = turn.state.nodes.get(id);
    if (!node) continue;
    const same = sameRange(node.range, range) && sameRange(node.takeOver, takeOver);
    if (same && node.told) continue;
    assignAgain(turn, changeNode(turn, node, { range, takeOver }));
    // While the node downloads, the server recomputes what it will be asked (M7).
    if (range) askExpected(turn, questionOf(turn, node, { range, seed: turn.state.config.seed }));
  }
}

/** The node's assignment as it stands; a node that heard it before changes nothing. */
export function assignAgain(turn: Turn, node: NodeRecord): void {
  const { modelId, manifest, numerics } = turn.state.config;
  const { range, takeOver } = node;
  changeNode(turn, node, { told: true });
  const model = { id: modelId, hash: manifest };
  const assignment = range && { model, range, takeOver, numerics };
  sendNode(turn, node, { type: 'assign', assignment });
}
