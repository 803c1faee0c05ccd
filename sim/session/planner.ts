import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { shardKey } from '#lib/shard/stage/types.ts';
import { MANIFEST } from './ground.ts';
import { placementRoute } from './placement-planner.ts';
import type { PlannerWorld, RouteAsk } from './route-ask.ts';
import { wildRoute } from './wild-planner.ts';

/** The orchestrator's answer: a route, or null where there is no cover just now. */
export function planRoute(world: PlannerWorld, ask: RouteAsk): RoutePlan | null {
  const choose = world.scenario.planner === 'wild' ? wildRoute : placementRoute;
  const places = choose(world, ask);
  if (!places) return null;
  for (const [at, { node, path }] of places.entries()) {
    const next = places[(at + 1) % places.length];
    if (path === 'relay' && next) world.network.useRelay(node, next.node);
  }
  return timed(world, places);
}

/** Past this a prediction would make an owner deaf for longer than it waits for an answer (P3). */
const SLOWDOWN_MAX = 16;

/** Predicted times as the simulated engines and links really have them. */
function timed(world: PlannerWorld, places: readonly PlannedPlace[]): RoutePlan {
  const { chunkRows, rowMs, loadMs, sessions } = world.scenario;
  let roundMs = 0;
  let slowestMs = 0;
  let mustLoad = false;
  for (const [at, place] of places.entries()) {
    const next = places[(at + 1) % places.length] ?? place;
    const hopMs =
      place.node === next.node ? 0 : world.network.pair(place.node, next.node).delayMs * 1.2;
    const node = world.nodes.get(place.node);
    const slowness = Math.min(SLOWDOWN_MAX, node?.slowness ?? 1) * sessions.length;
    const stepMs = (0.3 + rowMs) * slowness;
    roundMs += hopMs + stepMs;
    slowestMs = Math.max(slowestMs, hopMs * 2 + (0.3 + rowMs * chunkRows) * slowness);
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
