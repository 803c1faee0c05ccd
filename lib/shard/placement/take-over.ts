import type { LayerRange } from '#lib/webgpu/model.ts';
import { memoryNeeded } from './costs.ts';
import { matchUp } from './match.ts';
import type { PlanNode, PlanRequest } from './plan-request.ts';
import { missingLayers, rangeKey, sameRange } from './ranges.ts';
import { stageMs, type PlacedStage } from './stages.ts';

interface Held {
  readonly stages: readonly LayerRange[];
  readonly holders: ReadonlyMap<PlanNode, PlacedStage<PlanNode>>;
}

/**
 * For every range with one holder, the node that takes it over when that holder leaves (P1): never
 * the holder itself, at most one range a node, with memory for both. It fetches the chunks while
 * idle. A range with several holders needs none: each is the other's take-over. A range without a
 * holder comes first, since sessions already run on who was named for it, then what was named.
 */
export function nameTakeOvers(
  request: Pick<PlanRequest, 'model' | 'nodes'>,
  { stages, holders }: Held,
): ReadonlyMap<PlanNode, LayerRange> {
  const counts = new Map<string, number>();
  for (const { range } of holders.values()) {
    counts.set(rangeKey(range), (counts.get(rangeKey(range)) ?? 0) + 1);
  }
  const holdersOf = (range: LayerRange): number => counts.get(rangeKey(range)) ?? 0;
  const isNamed = (range: LayerRange): boolean =>
    request.nodes.some((node) => sameRange(node.takeOver, range));
  const order = (range: LayerRange): number => 2 * holdersOf(range) + (isNamed(range) ? 0 : 1);
  const alone = stages
    .filter((range) => holdersOf(range) < 2)
    .sort((a, b) => order(a) - order(b) || a.first - b.first);
  const named = matchUp(alone, (range) => volunteers(request, { holders, range }));
  return new Map([...named].map(([range, node]) => [node, range]));
}

interface Question {
  readonly holders: ReadonlyMap<PlanNode, PlacedStage<PlanNode>>;
  readonly range: LayerRange;
}

/** Who is named already, has nothing to do, has the layers, has the most time: in this order. */
function volunteers(
  { model, nodes }: Pick<PlanRequest, 'model' | 'nodes'>,
  { holders, range }: Question,
): PlanNode[] {
  const rank = (node: PlanNode): number => {
    const own = holders.get(node);
    return (
      (node.relayOnly ? 1e12 : 0) +
      (sameRange(node.takeOver, range) ? 0 : 1e10) +
      (own ? 1e9 : 0) +
      missingLayers(range, node.cached) * 1e5 +
      Math.min((own ? stageMs(model, own) : 0) + stageMs(model, { node, range }), 9e4)
    );
  };
  const fitsBeside = (node: PlanNode): boolean => {
    const own = holders.get(node);
    const needed = memoryNeeded(model, range) + (own ? memoryNeeded(model, own.range) : 0);
    return !sameRange(own?.range ?? null, range) && needed <= node.memoryBytes;
  };
  return nodes
    .filter(fitsBeside)
    .map((node) => ({ node, rank: rank(node) }))
    .sort((a, b) => a.rank - b.rank || (a.node.id < b.node.id ? -1 : 1))
    .map(({ node }) => node);
}
