import { must } from '#lib/kernel/assert.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { chunkRowsFor, prefillMs, stepMs, wholeModel } from './costs.ts';
import { coverLayers, type CoverQuestion } from './cover.ts';
import { PLACEMENT } from './limits.ts';
import { answerMs, type KnownPrefix } from './prefer.ts';
import { gapsOf, sameRange } from './ranges.ts';
import {
  forcedOffers,
  linkMs,
  linkOf,
  offersOf,
  type Offer,
  type RouteCluster,
  type RouteNode,
} from './route-cluster.ts';

/** A link that has to be made first: a direct one takes about this long, a relay up to 5 s. */
const LINK_FIRST_MS = 3_000;

export type NodePair = readonly [NodeId, NodeId];

/**
 * A route for a new session: over nodes with room and what they have loaded, all neighbours
 * linked, the least loaded and nearest preferred, and `minStages` different nodes where so many
 * can be (P2). `load`: also ranges that would have to be loaded first. Null: no cover just now.
 */
export function planRoute(
  cluster: RouteCluster,
  { load }: { readonly load: boolean } = { load: false },
): RoutePlan | null {
  const offers = offersOf(cluster).filter(
    (offer) => offer.node.room && (load || offer.loadMs === 0),
  );
  const chosen = coverLayers({
    model: cluster.model,
    span: wholeModel(cluster.model.shape),
    offers,
    hopMs: (from, to) => hopMs(cluster, from, to) ?? Infinity,
    before: null,
    after: null,
    nodesWanted: cluster.minStages,
  });
  return chosen && toPlan(cluster, chosen, []);
}

/**
 * A route for a new session whose prompt begins as one that was computed before: over the places
 * that did, where they are all there with room and the saved prefill outweighs slower rounds. It is
 * never over fewer nodes than the best one (P2).
 */
export function preferRoute(cluster: RouteCluster, best: RoutePlan, known: KnownPrefix): RoutePlan {
  const offers = known.places.map((place) => readyOffer(cluster, place));
  const held = offers.flatMap((offer) => offer ?? []);
  const isLinked = held.every((offer, at) => {
    const next = must(held[(at + 1) % held.length], 'a ring has a next place');
    return hopMs(cluster, offer.node, next.node) !== null;
  });
  if (held.length < offers.length || !isLinked) return best;
  const plan = toPlan(cluster, held, []);
  if (nodesOf(plan) < Math.min(nodesOf(best), cluster.minStages)) return best;
  return answerMs(cluster, plan, known) < answerMs(cluster, best, known) ? plan : best;
}

const nodesOf = ({ places }: RoutePlan): number => new Set(places.map(({ node }) => node)).size;

/** A place with room that has its range in memory, in the incarnation that is meant. */
function readyOffer(cluster: RouteCluster, place: PlannedPlace): Offer | null {
  const offer = keptOffer(cluster, place);
  const isReady = offer?.node.ready.some((range) => sameRange(range, place.range)) ?? false;
  return offer?.node.room === true && isReady ? offer : null;
}

/**
 * The same session's next route (S6): living places keep node and range; each gap goes to a spare
 * that holds it, else to the node named as its take-over (one more place of that node), else to
 * whoever can load it. `relay` names pairs whose direct path is suspect (V1).
 */
export function replaceRoute(
  cluster: RouteCluster,
  keep: readonly PlannedPlace[],
  relay: readonly NodePair[],
): RoutePlan | null {
  const kept = keep.map((place) => keptOffer(cluster, place));
  if (kept.some((offer) => offer === null)) return null;
  const places = kept.flatMap((offer) => offer ?? []);
  const all = [...places];
  for (const gap of gapsOf(
    places.map((place) => place.range),
    cluster.model.shape.layers,
  )) {
    const filled = coverLayers(gapQuestion(cluster, all, gap));
    if (!filled) return null;
    all.push(...filled);
    all.sort((a, b) => a.range.first - b.range.first);
  }
  return toPlan(cluster, all, relay);
}

function gapQuestion(
  cluster: RouteCluster,
  places: readonly Offer[],
  gap: LayerRange,
): CoverQuestion {
  const before = places.filter((place) => place.range.last < gap.first).at(-1);
  const after = places.find((place) => place.range.first > gap.last);
  return {
    model: cluster.model,
    span: gap,
    offers: [...offersOf(cluster), ...forcedOffers(cluster, gap)],
    hopMs: (from, to) => hopMs(cluster, from, to) ?? LINK_FIRST_MS,
    before: (before ?? places.at(-1))?.node ?? null,
    after: (after ?? places[0])?.node ?? null,
    nodesWanted: 0,
  };
}

/** A living place; it may be on a node that takes no new work (it finishes its answers). */
function keptOffer(cluster: RouteCluster, place: PlannedPlace): Offer | null {
  const node = cluster.nodes.find(
    ({ id, incarnation }) => id === place.node && incarnation === place.incarnation,
  );
  return node ? { node, range: place.range, loadMs: 0 } : null;
}

/** Null where the two have no link. */
function hopMs(cluster: RouteCluster, from: RouteNode, to: RouteNode): number | null {
  if (from.id === to.id) return 0;
  const link = linkOf(cluster, from.id, to.id);
  return link && linkMs(link);
}

function toPlan(
  cluster: RouteCluster,
  offers: readonly Offer[],
  relay: readonly NodePair[],
): RoutePlan {
  const { shape } = cluster.model;
  const costs = offers.map(({ node, range }) => ({ speed: node.speed, range }));
  const chunkRows = chunkRowsFor(shape, costs);
  const nextOf = (place: number): RouteNode =>
    must(offers[(place + 1) % offers.length], 'a ring has a next place').node;
  const decode = offers.reduce((sum, { node, range }, place) => {
    const rows = node.sessions + 1;
    return (
      sum +
      stepMs(shape, node.speed, { range, rows }) +
      (hopMs(cluster, node, nextOf(place)) ?? PLACEMENT.hopMsDefault)
    );
  }, 0);
  return {
    places: offers.map(({ node, range }, place) => ({
      node: node.id,
      incarnation: node.incarnation,
      range,
      path: pathBetween(cluster, [node, nextOf(place)], relay),
    })),
    numerics: cluster.numerics,
    wireDtype: cluster.wireDtype,
    chunkRows,
    roundMs: decode,
    chunkMs: Math.max(
      ...costs.map(({ speed, range }) => prefillMs(shape, speed, { range, rows: chunkRows })),
    ),
    loadMs: longestLoad(offers),
  };
}

/** Nodes load side by side, one node its ranges one after the other. */
function longestLoad(offers: readonly Offer[]): number {
  const byNode = new Map<RouteNode, number>();
  for (const { node, loadMs } of offers) byNode.set(node, (byNode.get(node) ?? 0) + loadMs);
  return Math.max(...byNode.values());
}

function pathBetween(
  cluster: RouteCluster,
  [from, to]: readonly [RouteNode, RouteNode],
  relay: readonly NodePair[],
): 'direct' | 'relay' {
  if (from.id === to.id) return 'direct';
  const suspect = relay.some((pair) => pair.includes(from.id) && pair.includes(to.id));
  if (suspect || from.relayOnly || to.relayOnly) return 'relay';
  return linkOf(cluster, from.id, to.id)?.path ?? 'direct';
}
