import type { LayerRange } from '#lib/webgpu/model.ts';
import type { PlacementModel } from './costs.ts';
import { PLACEMENT } from './limits.ts';
import { missingLayers, sameRange } from './ranges.ts';
import { fits, stageMs, type CutNode, type PlacedStage } from './stages.ts';

/**
 * Every node beyond the cut holds one of its ranges, too: more streams at once, and a failover
 * without loading. It keeps what it has; else it gets the range whose holders are slowest
 * together. Beyond `copiesMax` a node downloads nothing and is a spare.
 */
export function addReplicas<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
  cut: readonly PlacedStage<Node>[],
): ReadonlyMap<Node, PlacedStage<Node>> {
  const holders = new Map(cut.map((stage) => [stage.node, stage]));
  const ranges = cut.map((stage) => stage.range);
  const free = nodes.filter((node) => !holders.has(node));
  const keeps = (node: Node): LayerRange | null =>
    ranges.find((range) => sameRange(range, node.range) && fits(model, node, range)) ?? null;
  for (const node of free) {
    const range = keeps(node);
    if (range && copies(holders, range) < PLACEMENT.copiesMax) holders.set(node, { node, range });
  }
  for (const node of free) {
    if (holders.has(node)) continue;
    const range = neediest(model, { node, ranges, holders });
    if (range) holders.set(node, { node, range });
  }
  return holders;
}

interface Choice<Node extends CutNode> {
  readonly node: Node;
  readonly ranges: readonly LayerRange[];
  readonly holders: ReadonlyMap<Node, PlacedStage<Node>>;
}

function neediest<Node extends CutNode>(
  model: PlacementModel,
  { node, ranges, holders }: Choice<Node>,
): LayerRange | null {
  let best: { range: LayerRange; rate: number; missing: number } | null = null;
  for (const range of ranges) {
    if (!fits(model, node, range) || copies(holders, range) >= PLACEMENT.copiesMax) continue;
    const rate = stepsPerMs(model, holders, range);
    const missing = missingLayers(range, node.cached);
    if (!best || rate < best.rate || (rate === best.rate && missing < best.missing)) {
      best = { range, rate, missing };
    }
  }
  return best?.range ?? null;
}

type Holders<Node extends CutNode> = ReadonlyMap<Node, PlacedStage<Node>>;

const of = <Node extends CutNode>(holders: Holders<Node>, range: LayerRange) =>
  [...holders.values()].filter((stage) => sameRange(stage.range, range));

const copies = <Node extends CutNode>(holders: Holders<Node>, range: LayerRange): number =>
  of(holders, range).length;

/** Decode steps that all holders of `range` make together in a millisecond. */
const stepsPerMs = <Node extends CutNode>(
  model: PlacementModel,
  holders: Holders<Node>,
  range: LayerRange,
): number => of(holders, range).reduce((sum, stage) => sum + 1 / stageMs(model, stage), 0);
