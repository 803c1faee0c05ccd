import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { shardKey } from '#lib/shard/stage/types.ts';
import { MANIFEST } from './office.ts';
import type { SimNode } from './node.ts';
import type { World } from './world.ts';

type Pair = readonly [NodeId, NodeId];

/** Even ranges, for the nodes that come first. */
export function cutLayers(layers: number, stages: number): LayerRange[] {
  const ranges: LayerRange[] = [];
  for (let stage = 0; stage < stages; stage += 1) {
    const first = Math.floor((stage * layers) / stages);
    ranges.push({ first, last: Math.floor(((stage + 1) * layers) / stages) - 1 });
  }
  return ranges;
}

/**
 * Routes as wild as the rules allow, and wilder than placement would choose: kept places stay
 * (S6), a gap goes to any node there is, whole or in pieces, to one that has it or not.
 */
export function planRoute(
  world: World,
  alive: readonly { readonly node: SimNode; readonly incarnation: number }[],
  ask: { readonly keep: readonly PlannedPlace[]; readonly relay: readonly Pair[] },
): RoutePlan | null {
  if (alive.length === 0) return null;
  // Now and then a living holder is left out: it is released, and may come back later.
  const keep = ask.keep.filter(
    () => world.scenario.patienceMs !== null || !world.random.chance(0.08),
  );
  const places = [...keep];
  for (const range of gapsOf(world, keep)) {
    const holders = alive.filter(({ node }) => sameRange(node.range, range));
    const pool = holders.length > 0 && world.random.chance(0.7) ? holders : alive;
    const { node, incarnation } = world.random.pick(pool);
    places.push({ node: node.id, incarnation, range, path: 'direct' });
  }
  places.sort((a, b) => a.range.first - b.range.first);
  return timed(world, withPaths(world, places, ask.relay));
}

const sameRange = (a: LayerRange | null, b: LayerRange): boolean =>
  a?.first === b.first && a.last === b.last;

function gapsOf(world: World, keep: readonly PlannedPlace[]): LayerRange[] {
  const { layers, stages } = world.scenario;
  if (keep.length === 0) return cutLayers(layers, stages);
  const gaps: LayerRange[] = [];
  let next = 0;
  for (const end of [...keep.map(({ range }) => range), { first: layers, last: layers }]) {
    if (end.first > next) gaps.push({ first: next, last: end.first - 1 });
    next = end.last + 1;
  }
  return gaps.flatMap((gap) => (world.random.chance(0.2) ? halves(gap) : [gap]));
}

function halves({ first, last }: LayerRange): LayerRange[] {
  if (first === last) return [{ first, last }];
  const middle = (first + last) >> 1;
  return [
    { first, last: middle },
    { first: middle + 1, last },
  ];
}

function withPaths(
  world: World,
  places: readonly PlannedPlace[],
  relay: readonly Pair[],
): PlannedPlace[] {
  return places.map((place, at) => {
    const next = places[(at + 1) % places.length] ?? place;
    const isSuspect = relay.some(
      (pair) => pair.includes(place.node) && pair.includes(next.node) && place.node !== next.node,
    );
    if (isSuspect) world.network.useRelay(place.node, next.node);
    return { ...place, path: isSuspect ? 'relay' : 'direct' };
  });
}

function timed(world: World, places: readonly PlannedPlace[]): RoutePlan {
  const { chunkRows, rowMs, loadMs, sessions } = world.scenario;
  let roundMs = 0;
  let slowestMs = 0;
  let mustLoad = false;
  for (const [at, place] of places.entries()) {
    const next = places[(at + 1) % places.length] ?? place;
    const hopMs =
      place.node === next.node ? 0 : world.network.pair(place.node, next.node).delayMs * 1.2;
    const node = world.nodes.get(place.node);
    const stepMs = (0.3 + rowMs) * (node?.slowness ?? 1) * sessions.length;
    roundMs += hopMs + stepMs;
    slowestMs = Math.max(
      slowestMs,
      hopMs * 2 + (0.3 + rowMs * chunkRows) * (node?.slowness ?? 1) * sessions.length,
    );
    mustLoad ||= !node?.engines.has(shardKey(MANIFEST, place.range));
  }
  return {
    places,
    numerics: 'exact',
    wireDtype: 'f32',
    chunkRows,
    roundMs,
    chunkMs: slowestMs,
    loadMs: mustLoad ? loadMs * 1.5 : 0,
  };
}
