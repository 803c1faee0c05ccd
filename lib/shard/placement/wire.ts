import type { RoutePlan } from '#lib/shard/session/types.ts';
import { rowBytes } from '#lib/shard/wire/row-values.ts';
import { WIRE_DTYPES, type WireDtype } from '#lib/shard/wire/session-messages.ts';
import { PLACEMENT } from './limits.ts';
import { linkOf, type RouteCluster } from './route-cluster.ts';

/**
 * How the rows of a new session travel (S9): the widest way in which no link holds the slowest place up,
 * by what links were measured to carry. `f32` where the numerics are exact, where the prompt has too few
 * rows for a reader to notice, and over links that nobody measured.
 * @param rows of the prompt that have to be computed.
 */
export function wireFor(cluster: RouteCluster, plan: RoutePlan, rows: number): WireDtype {
  if (cluster.numerics !== 'int16') return 'f32';
  const bytesPerMs = slowestRate(cluster, plan);
  if (bytesPerMs === null) return 'f32';
  const { hidden } = cluster.model.shape;
  const computeMs = plan.chunkMs / plan.chunkRows;
  const rowMs = (dtype: WireDtype): number => rowBytes(hidden, dtype) / bytesPerMs;
  const fits = (dtype: WireDtype): boolean => rowMs(dtype) <= PLACEMENT.wireSlowerMax * computeMs;
  const chosen = WIRE_DTYPES.find(fits) ?? 'int8';
  const savedMs = rows * (rowMs('f32') - Math.max(computeMs, rowMs(chosen)));
  return savedMs < PLACEMENT.wireSavedMsMin ? 'f32' : chosen;
}

/**
 * The plan with rows that travel so: chunks keep its slowest link busy for no longer than a place (V1), for
 * heartbeats wait behind the two that are on the way. The shortest may take longer, and says so.
 */
export function overLinks(cluster: RouteCluster, plan: RoutePlan, wireDtype: WireDtype): RoutePlan {
  const bytesPerMs = slowestRate(cluster, plan);
  if (bytesPerMs === null) return { ...plan, wireDtype };
  const { chunkMsMax, chunkRowsStep } = PLACEMENT;
  const rowMs = rowBytes(cluster.model.shape.hidden, wireDtype) / bytesPerMs;
  const steps = Math.max(1, Math.floor(chunkMsMax / rowMs / chunkRowsStep));
  const chunkRows = Math.min(plan.chunkRows, steps * chunkRowsStep);
  return { ...plan, wireDtype, chunkRows, chunkMs: Math.max(plan.chunkMs, chunkRows * rowMs) };
}

/** Of the hops that rows take, from place to place; null where none was measured. */
function slowestRate(cluster: RouteCluster, { places }: RoutePlan): number | null {
  const rates = places.slice(1).flatMap(({ node }, at) => {
    const from = places[at]?.node ?? node;
    return linkOf(cluster, from, node)?.rates?.get(from) ?? [];
  });
  return rates.length > 0 ? Math.min(...rates) : null;
}
