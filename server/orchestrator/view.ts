import { planRoute, sameRange } from '#lib/shard/placement/core.ts';
import type { NodeState } from '#lib/shard/wire/node-messages.ts';
import type { ClusterView, NodeView, RouteView } from './answers.ts';
import { isOpen, routeCluster, sessionsOn } from './cluster.ts';
import { uncoveredLayers } from './queue.ts';
import { placesView } from './route-view.ts';
import type { NodeRecord, OrchestratorState } from './state.ts';

/** The cluster as the status page, the gateway and the volunteers see it. */
export function viewCluster(state: OrchestratorState, relayedBytes: number): ClusterView {
  const model = state.config.modelId;
  const ranges = uncoveredLayers(state);
  return {
    nodes: [...state.nodes.values()].map((node) => nodeView(state, node)),
    routes: routesOf(state).map((places) => ({ model, places })),
    sessions: state.sessions.size,
    queued: state.queue.length,
    relayedBytes,
    uncovered: [{ model, ranges }],
  };
}

/** The route that a prompt would take now, and those that answers run on; each once. */
function routesOf(state: OrchestratorState): RouteView['places'][] {
  const next = planRoute(routeCluster(state, 0));
  const running = [...state.sessions.values()].map((session) => session.plan);
  const routes = new Map<string, RouteView['places']>();
  for (const plan of [next, ...running]) {
    if (plan) routes.set(JSON.stringify(plan.places), placesView(state, plan));
  }
  return [...routes.values()];
}

function nodeView(state: OrchestratorState, node: NodeRecord): NodeView {
  const { range, takeOver, reported } = node;
  return {
    id: node.id,
    kind: node.profile.kind,
    state: nodeState(state, node),
    model: range ? state.config.modelId : null,
    firstLayer: range?.first ?? null,
    lastLayer: range?.last ?? null,
    takeOver,
    device: node.profile.device,
    engine: node.profile.engine,
    rttMs: node.rttMs,
    sessions: sessionsOn(state, node.id),
    tokensServed: node.served.tokens,
    steps: node.served.steps,
    bytesLoaded: reported?.bytesLoaded ?? 0,
    bytesTotal: reported?.bytesTotal ?? 0,
    links: linksOf(state, node),
  };
}

function linksOf(state: OrchestratorState, { id }: NodeRecord): NodeView['links'] {
  return [...state.links.values()]
    .filter((link) => isOpen(link) && (link.a === id || link.b === id))
    .map(({ a, b, path, rttMs }) => ({ peer: a === id ? b : a, path, rttMs }));
}

/** What the orchestrator knows counts before what the node says of itself. */
function nodeState(state: OrchestratorState, node: NodeRecord): NodeState {
  switch (node.standing.kind) {
    case 'lost':
      return 'lost';
    case 'left':
    case 'finishing':
      return 'leaving';
    case 'paused':
      return 'paused';
    case 'working':
      return workingState(state, node);
  }
}

function workingState(state: OrchestratorState, node: NodeRecord): NodeState {
  if (sessionsOn(state, node.id) > 0) return 'serving';
  if (!node.range) return node.told ? 'spare' : 'joining';
  const isLoaded = node.loaded.some((range) => sameRange(range, node.range));
  if (isLoaded) return node.proven ? 'ready' : 'warming';
  const said = node.reported?.state;
  return said === 'measuring' || said === 'warming' ? said : 'loading';
}
