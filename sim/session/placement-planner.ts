import type { NodeId } from '#lib/kernel/ids.ts';
import {
  pairKey,
  planRoute,
  rangeKey,
  replaceRoute,
  type LinkFact,
  type PlacementModel,
  type RouteCluster,
  type RouteNode,
} from '#lib/shard/placement/core.ts';
import type { PlannedPlace } from '#lib/shard/session/types.ts';
import { SimFailure } from './failure.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import type { PlannerWorld, RouteAsk } from './route-ask.ts';
import { cutLayers } from './wild-planner.ts';

const GIB = 2 ** 30;

/** The real placement's route: `planRoute` at first, `replaceRoute` after a loss, as the server asks. */
export function placementRoute(world: PlannerWorld, ask: RouteAsk): readonly PlannedPlace[] | null {
  const cluster = clusterOf(world, new Set(ask.without));
  const isFirst = ask.keep.length === 0 && ask.relay.length === 0;
  const first = isFirst ? planRoute(cluster, { load: true }) : null;
  const places = (first ?? replaceRoute(cluster, ask.keep, ask.relay))?.places ?? null;
  if (places) checkRoute(world, ask, places);
  return places;
}

/** Living holders stay (S6), and every layer is held once. */
function checkRoute({ scenario }: Ground, ask: RouteAsk, places: readonly PlannedPlace[]): void {
  const kept = new Set(places.map(nameOf));
  const moved = ask.keep.filter((place) => !kept.has(nameOf(place)));
  let next = 0;
  for (const { range } of places) next = range.first === next ? range.last + 1 : NaN;
  if (moved.length > 0 || next !== scenario.layers)
    throw new SimFailure('route', `placement gives ${places.map(nameOf).join(' ')}`);
}

const nameOf = ({ node, incarnation, range }: PlannedPlace): string =>
  `${node.slice(-4)}/${incarnation}:${rangeKey(range)}`;

/** As `server/orchestrator/cluster.ts` makes it of its own state. */
function clusterOf(world: PlannerWorld, without: ReadonlySet<NodeId>): RouteCluster {
  const { layers, stages } = world.scenario;
  const workers = world.office.workers().filter(({ node }) => !without.has(node.id));
  const links = new Map<string, LinkFact>();
  for (const [at, { node: a }] of workers.entries()) {
    for (const { node: b } of workers.slice(at + 1)) {
      const path = world.network.pathOf(a.id, b.id);
      const rttMs = 2 * world.network.pair(a.id, b.id).delayMs;
      if (path !== null) links.set(pairKey(a.id, b.id), { path, rttMs });
    }
  }
  return {
    model: modelOf(layers),
    nodes: workers.map(({ node, incarnation }) => routeNode(world, node, incarnation)),
    links,
    stages: cutLayers(layers, stages),
    minStages: stages,
    numerics: 'exact',
    wireDtype: 'f32',
  };
}

function routeNode(world: PlannerWorld, node: Machine, incarnation: number): RouteNode {
  const { rowMs, layers, stages } = world.scenario;
  const layerMs = ((0.3 + rowMs) * stages) / layers;
  const ready = [...node.engines.values()].map(({ range }) => range);
  const standby = node.range ? [node.range] : [];
  return {
    id: node.id,
    incarnation,
    speed: {
      layerMs: [layerMs, layerMs * 8, layerMs * 64],
      headMs: [0, 0, 0],
      slowdown: node.slowness,
    },
    memoryBytes: 64 * GIB,
    ready,
    standby,
    cached: [...ready, ...standby],
    sessions: world.office.routesOver(node.id).length,
    room: true,
    relayOnly: false,
  };
}

/** A small model of so many equal layers; its bytes matter little, for every node has room. */
const modelOf = (layers: number): PlacementModel => ({
  shape: {
    kind: 'llama',
    layers,
    hidden: 64,
    heads: 1,
    kvHeads: 1,
    headDim: 64,
    mlp: 128,
    vocab: 1000,
    contextMax: 4096,
    rmsEps: 1e-5,
    ropeTheta: 1e4,
    ropeScaling: null,
    tiedEmbeddings: true,
  },
  layerBytesBelow: Array.from({ length: layers + 1 }, (_, layer) => layer * 1e5),
  embeddingBytes: 1e5,
  tailBytes: 1e3,
});
