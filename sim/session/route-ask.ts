import type { NodeId } from '#lib/kernel/ids.ts';
import type { PlannedPlace } from '#lib/shard/session/types.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';

/** What an owner asks for (`need-route`), and whom the orchestrator leaves out. */
export interface RouteAsk {
  /** Living holders: they stay at their ranges (S6). */
  readonly keep: readonly PlannedPlace[];
  /** Pairs whose direct path lost frames (V1). */
  readonly relay: readonly (readonly [NodeId, NodeId])[];
  /** Alive, and short of pages (S11) or put off by this owner (V3). */
  readonly without: readonly NodeId[];
}

/** A living incarnation that may be given places. */
export interface Worker {
  readonly node: Machine;
  readonly incarnation: number;
}

/** What a planner knows. */
export interface PlannerWorld extends Ground {
  readonly network: Network;
  readonly nodes: ReadonlyMap<NodeId, Machine>;
  readonly office: {
    workers(): readonly Worker[];
    routesOver(node: NodeId): readonly (readonly PlannedPlace[])[];
  };
}
