/** Placement's public face: pure, runs anywhere. */
export {
  placementModel,
  memoryNeeded,
  scaleSpeed,
  storedBytes,
  stepMs,
  type NodeSpeed,
  type PlacementModel,
} from './costs.ts';
export { gapsOf, rangeKey, sameRange, containsRange, layerCount } from './ranges.ts';
export { planCluster, type ClusterPlan, type PlannedNode } from './plan.ts';
export type { PlanNode, PlanRequest } from './plan-request.ts';
export { gainOf, noReplan, stepReplan, type ReplanState } from './replan.ts';
export { forgetPace, learnPaces, middleOf, UNSEEN, type Pace } from './pace.ts';
export { mayHit, type KnownPrefix } from './prefer.ts';
export { planRoute, preferRoute, replaceRoute, type NodePair } from './route.ts';
export {
  linkMs,
  pairKey,
  type LinkFact,
  type RouteCluster,
  type RouteNode,
} from './route-cluster.ts';
export { overLinks, wireFor } from './wire.ts';
