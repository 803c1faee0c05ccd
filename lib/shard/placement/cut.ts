import type { PlacementModel } from './costs.ts';
import { cutExactly } from './cut-exact.ts';
import { cutGreedily } from './cut-greedy.ts';
import { PLACEMENT } from './limits.ts';
import { roundMs, type CutNode, type PlacedStage } from './stages.ts';

/**
 * `stages` contiguous ranges on as many different nodes: the slowest stage is as fast as it can be
 * (exact for few nodes, within a search step else); among cuts as good within 5 %, the one that
 * moves least. Null where memory does not allow it.
 */
export function cutModel<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
  stages: number,
): PlacedStage<Node>[] | null {
  if (stages > nodes.length || stages > model.shape.layers || stages < 1) return null;
  const quickest = [...nodes].sort((a, b) => layerMs(a) - layerMs(b) || (a.id < b.id ? -1 : 1));
  if (stages <= PLACEMENT.exactNodesMax && model.shape.layers <= PLACEMENT.exactLayersMax) {
    const exact = cutExactly(model, quickest.slice(0, PLACEMENT.exactNodesMax), stages);
    if (exact || nodes.length <= PLACEMENT.exactNodesMax) return exact;
  }
  return cutGreedily(model, quickest, stages);
}

/**
 * The cut that answers one stream fastest with at least `stagesMin` stages (P2); null where no
 * number of stages fits.
 */
export function bestCut<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
  stagesMin: number,
): PlacedStage<Node>[] | null {
  let best: PlacedStage<Node>[] | null = null;
  for (let stages = stagesMin; stages <= Math.min(nodes.length, model.shape.layers); stages += 1) {
    if (best && leastRoundMs(model, nodes, stages) >= roundMs(model, best)) continue;
    const cut = cutModel(model, nodes, stages);
    if (cut && (!best || roundMs(model, cut) < roundMs(model, best))) best = cut;
  }
  return best;
}

const layerMs = (node: CutNode): number => node.speed.layerMs[0] * node.speed.slowdown;

/** No cut is faster than its layers on the quickest node and its head on the quickest at heads. */
function leastRoundMs(model: PlacementModel, nodes: readonly CutNode[], stages: number): number {
  const layer = Math.min(...nodes.map(layerMs));
  const head = Math.min(...nodes.map((node) => node.speed.headMs[0] * node.speed.slowdown));
  const hops = stages > 1 ? stages * PLACEMENT.hopMsDefault : 0;
  return layer * model.shape.layers + head + hops;
}
