import type { LayerRange } from '#lib/webgpu/model.ts';
import { sameRange } from '#lib/shard/placement/core.ts';
import type { PlannedPlace } from '#lib/shard/session/types.ts';
import { shardKey } from '#lib/shard/stage/types.ts';
import { MANIFEST, type Ground } from './ground.ts';
import type { PlannerWorld, RouteAsk, Worker } from './route-ask.ts';

/** Even ranges, for the nodes that come first. */
export function cutLayers(layers: number, stages: number): LayerRange[] {
  const ranges: LayerRange[] = [];
  for (let stage = 0; stage < stages; stage += 1) {
    const first = Math.floor((stage * layers) / stages);
    ranges.push({ first, last: Math.floor(((stage + 1) * layers) / stages) - 1 });
  }
  return ranges;
}

/** What a newcomer has loaded: the cut first, then any part of it, or nothing (a spare). */
export function rangeFor({ scenario, random }: Ground, taken: number): LayerRange | null {
  const ranges = cutLayers(scenario.layers, scenario.stages);
  if (taken < scenario.stages) return ranges[taken] ?? null;
  return random.chance(0.6) ? random.pick(ranges) : null;
}

/**
 * Routes as wild as the rules allow, and wilder than placement would choose: kept places stay
 * (S6), a gap goes to any node there is, whole or in pieces, to one that has it or not.
 */
export function wildRoute(world: PlannerWorld, ask: RouteAsk): PlannedPlace[] | null {
  const keep = ask.keep.filter(() => !isLeftOut(world));
  const left = ask.keep.filter((place) => !keep.includes(place)).map((place) => place.node);
  const all = world.office.workers();
  const others = all.filter(
    ({ node }) => !left.includes(node.id) && !ask.without.includes(node.id),
  );
  // Who is left out gets nothing else: it is released.
  const workers = others.length > 0 ? others : all;
  if (workers.length === 0) return null;
  const places = [...keep];
  for (const range of gapsOf(world, keep)) {
    const { node, incarnation } = pickFor(world, { workers, places, range });
    places.push({ node: node.id, incarnation, range, path: 'direct' });
  }
  places.sort((a, b) => a.range.first - b.range.first);
  return withPaths(places, ask.relay);
}

/** Now and then a living holder is left out: it is released, and may come back later. */
function isLeftOut({ scenario, random }: Ground): boolean {
  if (scenario.patienceMs !== null) return false;
  return random.chance(scenario.habit === 'in-and-out' ? 0.6 : 0.08);
}

interface Gap {
  readonly workers: readonly Worker[];
  readonly places: readonly PlannedPlace[];
  readonly range: LayerRange;
}

function pickFor(world: PlannerWorld, gap: Gap): Worker {
  const { workers, range } = gap;
  const habitual = workers.filter((worker) => isHabit(world, gap, worker));
  if (habitual.length > 0) return world.random.pick(habitual);
  const holders = workers.filter(({ node }) => sameRange(node.range, range));
  const pool = holders.length > 0 && world.random.chance(0.7) ? holders : workers;
  return world.random.pick(pool);
}

/** A node with a place next to the gap, or with one that is not; or one that had the gap before. */
function isHabit({ scenario }: Ground, { places, range }: Gap, { node }: Worker): boolean {
  const isNext = (place: PlannedPlace): boolean =>
    place.range.last + 1 === range.first || range.last + 1 === place.range.first;
  const own = places.filter((place) => place.node === node.id);
  switch (scenario.habit) {
    case 'adjacent':
      return own.some(isNext);
    case 'apart':
      return own.length > 0 && !own.some(isNext);
    case 'in-and-out':
      return node.engines.has(shardKey(MANIFEST, range));
    case null:
      return false;
  }
}

function gapsOf(world: PlannerWorld, keep: readonly PlannedPlace[]): LayerRange[] {
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

function withPaths(places: readonly PlannedPlace[], relay: RouteAsk['relay']): PlannedPlace[] {
  return places.map((place, at) => {
    const next = places[(at + 1) % places.length] ?? place;
    const isSuspect = relay.some(
      (pair) => pair.includes(place.node) && pair.includes(next.node) && place.node !== next.node,
    );
    return { ...place, path: isSuspect ? 'relay' : 'direct' };
  });
}
