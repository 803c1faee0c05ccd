import { must } from '#lib/kernel/assert.ts';
import type { PlacementModel } from './costs.ts';
import { bottleneckMs, fits, moveCost, stageMs, type CutNode, type PlacedStage } from './stages.ts';
import { PLACEMENT } from './limits.ts';

/** A span of layers on a node; what it costs, or Infinity where it may not be. */
type SpanCost = (stage: PlacedStage) => number;
type Join = (before: number, span: number) => number;

interface Search {
  readonly layers: number;
  readonly nodes: readonly CutNode[];
  readonly stages: number;
}

/**
 * Dynamic programming over (layers covered, set of nodes used), twice: first the least possible
 * slowest stage, then the cheapest move among the cuts that are nearly as fast. A (max, sum) pair
 * has no optimal substructure, so one pass would miss cuts.
 */
export function cutExactly<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
  stages: number,
): PlacedStage<Node>[] | null {
  const search: Search = { layers: model.shape.layers, nodes, stages };
  const time: SpanCost = (stage) =>
    fits(model, stage.node, stage.range) ? stageMs(model, stage) : Infinity;
  const quickest = cheapest(search, time, Math.max);
  if (!quickest) return null;
  const slowest = bottleneckMs(model, quickest) * PLACEMENT.balanceSlack;
  const move: SpanCost = (stage) => {
    const ms = time(stage);
    // Squares are least where equal moves share the time evenly.
    return ms <= slowest ? moveCost(stage) + (ms / slowest) ** 2 : Infinity;
  };
  return cheapest(search, move, (before, span) => before + span) as PlacedStage<Node>[] | null;
}

function cheapest(search: Search, costOf: SpanCost, join: Join): PlacedStage[] | null {
  const { layers, nodes, stages } = search;
  const sets = 1 << nodes.length;
  const width = layers + 1;
  const best = new Float64Array(sets * width).fill(Infinity);
  const from = new Int32Array(sets * width).fill(-1);
  const costs = spanCosts(search, costOf);
  best[0] = 0;
  for (let used = 1; used < sets; used += 1) {
    if (bits(used) > stages) continue;
    for (let index = 0; index < nodes.length; index += 1) {
      if (!(used & (1 << index))) continue;
      const before = (used ^ (1 << index)) * width;
      for (let start = 0; start < layers; start += 1) {
        const cost = best[before + start] ?? Infinity;
        if (cost === Infinity) continue;
        for (let end = start + 1; end <= layers; end += 1) {
          const total = join(cost, costs[(index * width + start) * width + end] ?? Infinity);
          if (total >= (best[used * width + end] ?? Infinity)) continue;
          best[used * width + end] = total;
          from[used * width + end] = index * width + start;
        }
      }
    }
  }
  return walkBack(search, best, from);
}

/** Cost of layers `start … end − 1` on each node, at [node][start][end]. */
function spanCosts({ layers, nodes }: Search, costOf: SpanCost): Float64Array {
  const width = layers + 1;
  const costs = new Float64Array(nodes.length * width * width).fill(Infinity);
  for (const [index, node] of nodes.entries()) {
    for (let start = 0; start < layers; start += 1) {
      for (let end = start + 1; end <= layers; end += 1) {
        costs[(index * width + start) * width + end] = costOf({
          node,
          range: { first: start, last: end - 1 },
        });
      }
    }
  }
  return costs;
}

function walkBack(search: Search, best: Float64Array, from: Int32Array): PlacedStage[] | null {
  const { layers, nodes, stages } = search;
  const width = layers + 1;
  let used = 0;
  let least = Infinity;
  for (let set = 0; set < 1 << nodes.length; set += 1) {
    const cost = best[set * width + layers] ?? Infinity;
    if (bits(set) === stages && cost < least) [used, least] = [set, cost];
  }
  if (least === Infinity) return null;
  const cut: PlacedStage[] = [];
  for (let end = layers; end > 0;) {
    const step = must(from[used * width + end], 'every reached state knows where it came from');
    const index = Math.floor(step / width);
    const start = step % width;
    cut.unshift({
      node: must(nodes[index], 'a node of the search'),
      range: { first: start, last: end - 1 },
    });
    used ^= 1 << index;
    end = start;
  }
  return cut;
}

function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest > 0; rest &= rest - 1) count += 1;
  return count;
}
