import { must } from '#lib/kernel/assert.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { bestCut, cutModel } from './cut.ts';
import { holdPartly } from './hold-partly.ts';
import { matchUp } from './match.ts';
import type { PlanNode, PlanRequest } from './plan-request.ts';
import { gapsOf, isCut, missingLayers, sameRange } from './ranges.ts';
import { addReplicas } from './replicas.ts';
import { bottleneckMs, fits, roundMs, stageMs, type PlacedStage } from './stages.ts';
import { nameTakeOvers } from './take-over.ts';

export interface PlannedNode {
  readonly node: NodeId;
  readonly range: LayerRange | null;
  readonly takeOver: LayerRange | null;
}

export interface ClusterPlan {
  /** Complete and disjoint, in order, holes included; what fits where the model does not. */
  readonly stages: readonly LayerRange[];
  /** One for every node of the request. */
  readonly assignments: readonly PlannedNode[];
  /** Nodes without a range. */
  readonly spares: readonly NodeId[];
  /** Layers without a holder. */
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
  const { stages, held } =
    keepCut(request) ?? (request.patient ? expectedCut(request) : newCut(request));
  const holders = addReplicas(model, nodes, held);
  const takeOvers = nameTakeOvers(request, { stages, holders });
  const assignments = nodes.map((node) => ({
    node: node.id,
    range: holders.get(node)?.range ?? null,
    takeOver: takeOvers.get(node) ?? null,
  }));
  const uncovered = gapsOf(
    held.map((stage) => stage.range),
    model.shape.layers,
  );
  const complete = uncovered.length === 0;
  return {
    stages,
    assignments,
    spares: assignments.filter((plan) => plan.range === null).map((plan) => plan.node),
    uncovered,
    bottleneckMs: complete ? bottleneckMs(model, held) : 0,
    roundMs: complete ? roundMs(model, held) : 0,
  };
}

/** A cut and who holds its stages; a stage without a holder is a hole. */
interface Cut {
  readonly stages: readonly LayerRange[];
  readonly held: readonly PlacedStage<PlanNode>[];
}

/** Stages that a route has at least: fewer only while fewer nodes are there. */
const leastStages = ({ model, nodes, minStages }: PlanRequest): number =>
  Math.max(1, Math.min(minStages, nodes.length, model.shape.layers));

/** The present cut with a different node for each range, holders where they are; null if not. */
function keepCut(request: PlanRequest): Cut | null {
  const { model, stages } = request;
  if (!isCut(stages, model.shape.layers) || stages.length < leastStages(request)) return null;
  const held = holdCut(request, stages);
  return held.length === stages.length ? { stages, held } : null;
}

/** A different node for as many ranges of the cut as can be. */
function holdCut(request: PlanRequest, stages: readonly LayerRange[]): PlacedStage<PlanNode>[] {
  const holders = (range: LayerRange): number =>
    request.nodes.filter((node) => sameRange(node.range, range)).length;
  // Ranges with holders come first: who fills a hole then moves nobody unless it must.
  const heldFirst = [...stages].sort((a, b) => Number(holders(b) > 0) - Number(holders(a) > 0));
  const chosen = matchUp(heldFirst, (range) => candidates(request, range));
  return stages.flatMap((range) => {
    const node = chosen.get(range);
    return node ? [{ node, range }] : [];
  });
}

/** The present cut, or one made as if the nodes still missing were like those that are here. */
function expectedCut(request: PlanRequest): Cut {
  const { model, nodes, minStages } = request;
  if (isCut(request.stages, model.shape.layers) && request.stages.length >= minStages) {
    return { stages: request.stages, held: holdCut(request, request.stages) };
  }
  if (nodes.length === 0) return { stages: request.stages, held: [] };
  const missing = Math.max(0, Math.min(minStages, model.shape.layers) - nodes.length);
  const ghosts = Array.from({ length: missing }, (_, index) => ghostOf(nodes, index));
  const all = [...nodes, ...ghosts];
  const cut = cutModel(model, all, Math.min(minStages, model.shape.layers));
  if (!cut) return newCut(request);
  const stages = cut.map((stage) => stage.range);
  return { stages, held: holdCut(request, stages) };
}

/** As quick and as roomy as a node that is here; it holds nothing and is never assigned. */
function ghostOf(nodes: readonly PlanNode[], index: number): PlanNode {
  const like = must(nodes[index % nodes.length], 'a cut is made for nodes');
  const id = `ghost-${index}` as NodeId;
  return { ...like, id, range: null, takeOver: null, cached: [] };
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
    .filter((node) => fits(model, node, range))
    .map((node) => ({ node, rank: rank(node) }))
    .sort((a, b) => a.rank - b.rank || (a.node.id < b.node.id ? -1 : 1))
    .map(({ node }) => node);
}

/**
 * Relay-only nodes join a new cut only where it cannot be made without them (M6). Where the nodes
 * together have too little memory, they hold what they can.
 */
function newCut(request: PlanRequest): Cut {
  const { model, nodes } = request;
  const least = leastStages(request);
  const direct = nodes.filter((node) => !node.relayOnly);
  const withDirect = direct.length >= least ? bestCut(model, direct, least) : null;
  const held = withDirect ?? bestCut(model, nodes, least) ?? holdPartly(model, nodes);
  return { stages: held.map((stage) => stage.range), held };
}
