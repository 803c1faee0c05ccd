import type { NodeId } from '#lib/kernel/ids.ts';
import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { shardKey } from '#lib/shard/stage/types.ts';
import { MANIFEST } from './office.ts';
import { placementRoute } from './placement-planner.ts';
import { wildRoute } from './wild-planner.ts';
import type { World } from './world.ts';

/** What an owner asks for (`need-route`), and whom the orchestrator leaves out. */
export interface RouteAsk {
  /** Living holders: they stay at their ranges (S6). */
  readonly keep: readonly PlannedPlace[];
  /** Pairs whose direct path lost frames (V1). */
  readonly relay: readonly (readonly [NodeId, NodeId])[];
  /** Alive, and short of pages (S11) or put off by this owner (V3). */
  readonly without: readonly NodeId[];
}

/** The orchestrator's answer: a route, or null where there is no cover just now. */
export function planRoute(world: World, ask: RouteAsk): RoutePlan | null {
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
