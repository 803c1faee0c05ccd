import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { prefillMs } from './costs.ts';
import { PLACEMENT } from './limits.ts';
import { rangeKey } from './ranges.ts';
import type { RouteCluster } from './route-cluster.ts';

/** Places that computed the beginning of a prompt, and may still have its pages. */
export interface KnownPrefix {
  readonly places: readonly PlannedPlace[];
  /** Positions of the prompt that they have, of so many. */
  readonly positions: number;
  readonly promptPositions: number;
  /** Most tokens that may come. */
  readonly answerTokens: number;
}

const nameOf = ({ node, incarnation, range }: PlannedPlace): string =>
  `${node}@${incarnation}:${rangeKey(range)}`;

/** Whether a place of the route may have pages of the prompt. */
export function mayHit(plan: RoutePlan, known: KnownPrefix): boolean {
  const names = new Set(known.places.map(nameOf));
  return plan.places.some((place) => names.has(nameOf(place)));
}

/**
 * Predicted milliseconds of an answer: the prompt at the pace of the place that has most to do, and
 * as many rounds as an answer has tokens.
 */
export function answerMs(cluster: RouteCluster, plan: RoutePlan, known: KnownPrefix): number {
  const names = new Set(known.places.map(nameOf));
  const fills = plan.places.map((place) => {
    const node = cluster.nodes.find(({ id }) => id === place.node);
    const had = names.has(nameOf(place)) ? known.positions : 0;
    const rows = Math.max(1, known.promptPositions - had);
    return node ? prefillMs(cluster.model.shape, node.speed, { range: place.range, rows }) : 0;
  });
  const tokens = Math.min(known.answerTokens, PLACEMENT.answerTokensTypical);
  return Math.max(...fills) + tokens * plan.roundMs;
}
