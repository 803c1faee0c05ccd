import type { PlacementModel } from './costs.ts';
import { fits, type CutNode, type PlacedStage } from './stages.ts';

/**
 * Where the nodes together cannot hold the model: the roomiest take layers from the first on, so
 * that what is missing is one range at the end and a newcomer completes it.
 */
export function holdPartly<Node extends CutNode>(
  model: PlacementModel,
  nodes: readonly Node[],
): PlacedStage<Node>[] {
  const { layers } = model.shape;
  const held: PlacedStage<Node>[] = [];
  let first = 0;
  for (const node of [...nodes].sort((a, b) => b.memoryBytes - a.memoryBytes)) {
    let last = first;
    while (last < layers && fits(model, node, { first, last })) last += 1;
    if (last === first) continue;
    held.push({ node, range: { first, last: last - 1 } });
    first = last;
  }
  return held;
}
