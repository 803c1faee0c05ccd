import type { LayerRange } from '#lib/webgpu/model.ts';
import { stepMs, type PlacementModel } from './costs.ts';
import { PLACEMENT } from './limits.ts';
import type { Offer, RouteNode } from './route-cluster.ts';

/** Which nodes to chain so that layers `first … last` are computed soonest. */
export interface CoverQuestion {
  readonly model: PlacementModel;
  readonly span: LayerRange;
  readonly offers: readonly Offer[];
  /** Milliseconds of a hop; Infinity where there must be none. */
  readonly hopMs: (from: RouteNode, to: RouteNode) => number;
  /** Neighbours outside the span; both null: the span is a ring of its own. */
  readonly before: RouteNode | null;
  readonly after: RouteNode | null;
  /** So many different nodes are worth any delay (P2). */
  readonly nodesWanted: number;
}

interface Path {
  readonly costMs: number;
  readonly offers: readonly Offer[];
}

/** One node less than wanted weighs more than any load or round. */
const NODE_SHORT_MS = 1e7;

/**
 * The cheapest chain: a shortest path over the layers, by the time of a decode row on each node
 * with its present sessions, the loads it would wait for, and the hops. Null: no cover.
 */
export function coverLayers(question: CoverQuestion): readonly Offer[] | null {
  const { span, offers } = question;
  const paths = new Map<number, Map<string, Path>>([[span.first, new Map([['', start]])]]);
  const exact = new Set(offers.map((offer) => offer.node)).size <= PLACEMENT.exactNodesMax;
  for (let layer = span.first; layer <= span.last; layer += 1) {
    for (const path of paths.get(layer)?.values() ?? []) {
      for (const offer of offers) {
        if (offer.range.first !== layer || offer.range.last > span.last) continue;
        const next = extend(question, path, offer);
        if (next.costMs === Infinity) continue;
        const reached = paths.get(offer.range.last + 1) ?? new Map<string, Path>();
        const key = keyOf(next, exact);
        if (next.costMs < (reached.get(key)?.costMs ?? Infinity)) reached.set(key, next);
        paths.set(offer.range.last + 1, reached);
      }
    }
  }
  let best: { costMs: number; offers: readonly Offer[] } | null = null;
  for (const path of paths.get(span.last + 1)?.values() ?? []) {
    const costMs = path.costMs + closing(question, path);
    if (costMs < (best?.costMs ?? Infinity)) best = { costMs, offers: path.offers };
  }
  return best?.offers ?? null;
}

const start: Path = { costMs: 0, offers: [] };

function extend(question: CoverQuestion, path: Path, offer: Offer): Path {
  const { model, hopMs, before } = question;
  const { node, range } = offer;
  const previous = path.offers.at(-1)?.node ?? before;
  const rows = node.sessions + 1;
  const costMs =
    path.costMs +
    stepMs(model.shape, node.speed, { range, rows }) +
    offer.loadMs +
    (previous ? hopMs(previous, node) : 0);
  return { costMs, offers: [...path.offers, offer] };
}

/** The last hop, and what is missing of the nodes that were wanted. */
function closing({ hopMs, after, nodesWanted }: CoverQuestion, path: Path): number {
  const [first, last] = [path.offers[0]?.node, path.offers.at(-1)?.node];
  const next = after ?? first;
  const nodes = new Set(path.offers.map((offer) => offer.node)).size;
  const hop = last && next ? hopMs(last, next) : 0;
  return hop + Math.max(0, nodesWanted - nodes) * NODE_SHORT_MS;
}

/** Paths that end alike compete; in small clusters only those over the same nodes. */
function keyOf({ offers }: Path, exact: boolean): string {
  const [first, last] = [offers[0]?.node.id ?? '', offers.at(-1)?.node.id ?? ''];
  if (!exact) return `${first}>${last}`;
  return `${first}>${last}:${[...new Set(offers.map((offer) => offer.node.id))].sort().join()}`;
}
