import type { PlacementModel } from './costs.ts';
import { fits, stageMs, type CutNode, type PlacedStage } from './stages.ts';

/** Halvings of the time limit: 2⁻³⁰ of the first guess is far below any measurement. */
const SEARCH_STEPS = 30;

/**
 * For swarms too large for the exact search: the `stages` quickest nodes (or, where memory runs
 * short, the roomiest), holders in the order of the layers they have, each taking as many layers
 * as a time limit allows; the limit is bisected.
 */
export function cutGreedily<Node extends CutNode>(
  model: PlacementModel,
  quickest: readonly Node[],
  stages: number,
): PlacedStage<Node>[] | null {
  const roomiest = [...quickest].sort((a, b) => b.memoryBytes - a.memoryBytes);
  return (
    bisect(model, inLayerOrder(quickest.slice(0, stages))) ??
    bisect(model, inLayerOrder(roomiest.slice(0, stages)))
  );
}

/** Who holds or has cached low layers comes first: fewer moves. */
function inLayerOrder<Node extends CutNode>(nodes: readonly Node[]): Node[] {
  const place = (node: Node): number => (node.range ?? node.cached[0])?.first ?? Infinity;
  return [...nodes].sort((a, b) => place(a) - place(b) || (a.id < b.id ? -1 : 1));
}

function bisect<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
): PlacedStage<Node>[] | null {
  let best = fill(model, nodes, Infinity);
  if (!best) return null;
  let [low, high] = [0, Math.max(...best.map((stage) => stageMs(model, stage)))];
  for (let step = 0; step < SEARCH_STEPS; step += 1) {
    const limit = (low + high) / 2;
    const cut = fill(model, nodes, limit);
    if (cut) [best, high] = [cut, limit];
    else low = limit;
  }
  return best;
}

/** Every node gets at least one layer; null where the last layers do not fit. */
function fill<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
  limitMs: number,
): PlacedStage<Node>[] | null {
  const { layers } = model.shape;
  const cut: PlacedStage<Node>[] = [];
  let first = 0;
  for (const [index, node] of nodes.entries()) {
    const lastMax = layers - (nodes.length - index);
    const last = index === nodes.length - 1 ? lastMax : furthest(lastMax);
    const stage = { node, range: { first, last } };
    if (last < first || !fits(model, node, stage.range)) return null;
    if (stageMs(model, stage) > limitMs) return null;
    cut.push(stage);
    first = last + 1;

    function furthest(max: number): number {
      let end = first;
      while (end < max) {
        const next = { node, range: { first, last: end + 1 } };
        if (!fits(model, node, next.range) || stageMs(model, next) > limitMs) break;
        end += 1;
      }
      return end;
    }
  }
  return cut;
}
