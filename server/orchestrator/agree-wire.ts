import { mayHit, overLinks, wireFor } from '#lib/shard/placement/core.ts';
import type { RoutePlan } from '#lib/shard/session/types.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import { routeCluster } from './cluster.ts';
import { knownPrefix } from './prefix-routes.ts';
import type { OrchestratorState, Waiting } from './state.ts';

/**
 * The plan of a new session, with how its rows travel from its beginning to its end (S9). Pages of rows
 * that travelled otherwise are others, so a conversation keeps what most of its prompt was computed with.
 */
export function agreeWire(state: OrchestratorState, waiting: Waiting, plan: RoutePlan): RoutePlan {
  const { promptIds, acceptedIds } = waiting.request;
  const rows = promptIds.length + acceptedIds.length;
  const cluster = routeCluster(state, rows);
  const choose = (): WireDtype => {
    if (state.config.wireDtype !== 'measured') return state.config.wireDtype;
    const known = knownPrefix(state, waiting);
    const isKept = known && mayHit(plan, known) && 2 * known.positions >= rows;
    return isKept ? known.wireDtype : wireFor(cluster, plan, rows);
  };
  return overLinks(cluster, plan, choose());
}
