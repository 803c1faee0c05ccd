import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { PlacementModel } from './costs.ts';
import { bestCut } from './cut.ts';
import { holdPartly } from './hold-partly.ts';
import { matchUp } from './match.ts';
import { gapsOf, isCut, missingLayers, sameRange } from './ranges.ts';
import { addReplicas } from './replicas.ts';
import { bottleneckMs, fits, roundMs, stageMs, type CutNode, type PlacedStage } from './stages.ts';
import { nameTakeOvers } from './take-over.ts';

/** A node as the planner sees it: available for new work. Paused and leaving nodes are left out. */
export interface PlanNode extends CutNode {
  /** The range it is named for now (P1). */
  readonly takeOver: LayerRange | null;
  /** Reached through the server only: never the sole holder when another choice exists (M6). */
  readonly relayOnly: boolean;
}

export interface PlanRequest {
  readonly model: PlacementModel;
  readonly nodes: readonly PlanNode[];
  /** Routes use at least so many different nodes while so many are there (P2). */
  readonly minStages: number;
  /** The present cut, in order; empty at the start or to cut anew. */
  readonly stages: readonly LayerRange[];
}

export interface PlannedNode {
  readonly node: NodeId;
  readonly range: LayerRange | null;
  readonly takeOver: LayerRange | null;
}

export interface ClusterPlan {
  /** Complete and disjoint, in order; what fits where the whole model does not. */
  readonly stages: readonly LayerRange[];
  /** One for every node of the request. */
  readonly assignments: readonly PlannedNode[];
  /** Nodes without a range. */
  readonly spares: readonly NodeId[];
  /** Layers that no node can hold. */
  readonly uncovered: readonly LayerRange[];
  /** The slowest stage, and one round of one stream; 0 without a cut. */
  readonly bottleneckMs: number;
  readonly roundMs: number;
}

/**
 * Who holds what, and who takes it over (P1–P3). The present cut is kept where its ranges can all
 * be held by the nodes that are there; else the model is cut anew. Every node beyond the cut holds
 * a further copy of the range that needs it most.
 */
export function planCluster(request: PlanRequest): ClusterPlan {
  const { model, nodes } = request;
  const cut = keepCut(request) ?? newCut(request);
  const held = cut ?? holdPartly(model, nodes);
  const holders = addReplicas(model, nodes, held);
  const takeOvers = nameTakeOvers(model, nodes, holders);
  const stages = held.map((stage) => stage.range);
  const assignments = nodes.map((node) => ({
    node: node.id,
    range: holders.get(node)?.range ?? null,
    takeOver: takeOvers.get(node) ?? null,
  }));
  return {
    stages,
    assignments,
    spares: assignments.filter((plan) => plan.range === null).map((plan) => plan.node),
    uncovered: gapsOf(stages, model.shape.layers),
    bottleneckMs: cut ? bottleneckMs(model, cut) : 0,
    roundMs: cut ? roundMs(model, cut) : 0,
  };
}

/** Stages that a route has at least: fewer only while fewer nodes are there. */
const leastStages = ({ model, nodes, minStages }: PlanRequest): number =>
  Math.max(1, Math.min(minStages, nodes.length, model.shape.layers));

/** The present cut with a different node for each range, holders where they are; null if not. */
function keepCut(request: PlanRequest): PlacedStage<PlanNode>[] | null {
  const { model, nodes, stages } = request;
  if (!isCut(stages, model.shape.layers) || stages.length < leastStages(request)) return null;
  const holders = (range: LayerRange): number =>
    nodes.filter((node) => sameRange(node.range, range)).length;
  // Ranges with holders come first: who fills a hole then moves nobody unless it must.
  const heldFirst = [...stages].sort((a, b) => Number(holders(b) > 0) - Number(holders(a) > 0));
  const chosen = matchUp(heldFirst, (range) => candidates(request, range));
  const cut = stages.flatMap((range) => {
    const node = chosen.get(range);
    return node ? [{ node, range }] : [];
  });
  return cut.length === stages.length ? cut : null;
}

/** Holders of the range, then the idle, then copies of another, then its only holders. */
function candidates({ model, nodes }: PlanRequest, range: LayerRange): PlanNode[] {
  const copies = (node: PlanNode): number =>
    nodes.filter((other) => sameRange(other.range, node.range)).length;
  const bond = (node: PlanNode): number => {
    if (sameRange(node.range, range)) return 0;
    if (node.range === null) return 1;
    return copies(node) > 1 ? 2 : 3;
  };
  const rank = (node: PlanNode): number =>
    (node.relayOnly ? 1e9 : 0) +
    bond(node) * 1e7 +
    missingLayers(range, node.cached) * 1e3 +
    Math.min(stageMs(model, { node, range }), 900);
  return nodes
    .filter((node) => sameRange(node.range, range) || fits(model, node, range))
    .map((node) => ({ node, rank: rank(node) }))
    .sort((a, b) => a.rank - b.rank || (a.node.id < b.node.id ? -1 : 1))
    .map(({ node }) => node);
}

/** Relay-only nodes join a new cut only where it cannot be made without them (M6). */
function newCut(request: PlanRequest): PlacedStage<PlanNode>[] | null {
  const { model, nodes } = request;
  const least = leastStages(request);
  const direct = nodes.filter((node) => !node.relayOnly);
  const withDirect = direct.length >= least ? bestCut(model, direct, least) : null;
  return withDirect ?? bestCut(model, nodes, least);
}
