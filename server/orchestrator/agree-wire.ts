import { mayHit, wireFor } from '#lib/shard/placement/core.ts';
import type { RoutePlan } from '#lib/shard/session/types.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import { routeCluster } from './cluster.ts';
import { knownPrefix } from './prefix-routes.ts';
import type { OrchestratorState, Waiting } from './state.ts';

/**
 * How the rows of a session travel, from its beginning to its end (S9). Pages of rows that travelled
 * otherwise are others, so a conversation keeps what most of its prompt was computed with.
 */
export function agreedWire(state: OrchestratorState, waiting: Waiting, plan: RoutePlan): WireDtype {
  if (state.config.wireDtype !== 'measured') return state.config.wireDtype;
  const { promptIds, acceptedIds } = waiting.request;
  const rows = promptIds.length + acceptedIds.length;
  const known = knownPrefix(state, waiting);
  if (known && mayHit(plan, known) && 2 * known.positions >= rows) return known.wireDtype;
  return wireFor(routeCluster(state, rows), plan, rows);
}
