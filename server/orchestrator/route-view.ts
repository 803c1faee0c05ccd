import type { RoutePlan } from '#lib/shard/session/types.ts';
import type { RouteView } from './answers.ts';
import type { OrchestratorState, SessionRecord } from './state.ts';

/** A route as readers and the status page see it. */
export const placesView = (state: OrchestratorState, plan: RoutePlan): RouteView['places'] =>
  plan.places.map(({ node, range, path }) => ({
    node,
    kind: state.nodes.get(node)?.profile.kind ?? 'tab',
    firstLayer: range.first,
    lastLayer: range.last,
    path,
  }));

interface RouteChange {
  readonly epoch: number;
  readonly plan: RoutePlan;
  readonly atIndex: number;
  readonly cause: string;
}

/** `cause`: why the holder before was lost, else what the owner says; null for the first route. */
export function routeView(
  state: OrchestratorState,
  session: SessionRecord,
  { epoch, plan, atIndex, cause }: RouteChange,
): RouteView {
  const why = epoch === 1 ? null : (session.failover?.cause ?? cause);
  return { epoch, places: placesView(state, plan), atIndex, cause: why };
}
