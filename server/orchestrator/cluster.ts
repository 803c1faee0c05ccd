import type { NodeId } from '#lib/kernel/ids.ts';
import { kvPositionBytes } from '#lib/webgpu/kv-size.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import {
  memoryNeeded,
  sameRange,
  storedBytes,
  type LinkFact,
  type NodeSpeed,
  type PlanNode,
  type RouteCluster,
  type RouteNode,
} from '#lib/shard/placement/core.ts';
import { PLACEMENT } from '#lib/shard/placement/limits.ts';
import { ORCHESTRATOR } from './limits.ts';
import type { LinkRecord, NodeRecord, OrchestratorState } from './state.ts';

/** The orchestrator's state as placement sees it. */

export const isOpen = (link: LinkRecord): boolean => link.openAt.length === 2;

/** Nodes that take new work. */
export const workingNodes = (state: OrchestratorState): NodeRecord[] =>
  [...state.nodes.values()].filter((node) => node.standing.kind === 'working');

/** Sessions whose route goes over the node now. */
export function sessionsOn(state: OrchestratorState, node: NodeId): number {
  let count = 0;
  for (const session of state.sessions.values()) {
    if (session.plan?.places.some((place) => place.node === node)) count += 1;
  }
  return count;
}

/**
 * Nodes of one machine measure themselves while the others work, too (P1): alike devices at one
 * address are as fast as the fastest measurement among them.
 */
export function measuredSpeedOf(state: OrchestratorState, node: NodeRecord): NodeSpeed {
  const alike = workingNodes(state).filter(
    (other) =>
      other.address === node.address &&
      other.profile.device === node.profile.device &&
      other.profile.engine === node.profile.engine &&
      other.profile.threads === node.profile.threads,
  );
  const profiles = [node.profile, ...alike.map((other) => other.profile)];
  const least = (of: (profile: NodeRecord['profile']) => readonly [number, number, number]) =>
    [0, 1, 2].map((at) => Math.min(...profiles.map((profile) => of(profile)[at] ?? Infinity)));
  const [layer1 = 0, layer8 = 0, layer64 = 0] = least((profile) => profile.layerMs);
  const [head1 = 0, head8 = 0, head64 = 0] = least((profile) => profile.headMs);
  return {
    layerMs: [layer1, layer8, layer64],
    headMs: [head1, head8, head64],
    slowdown: node.slowdown >= ORCHESTRATOR.slowdownMin ? node.slowdown : 1,
  };
}

/** The same, and no faster than the answers that ran over it (P3). */
export function speedOf(state: OrchestratorState, node: NodeRecord): NodeSpeed {
  const measured = measuredSpeedOf(state, node);
  return { ...measured, slowdown: Math.max(measured.slowdown, node.pace.factor) };
}

/** Reached through the server only: it has links, none of them direct (M6). */
export function isRelayOnly(state: OrchestratorState, node: NodeId): boolean {
  const open = [...state.links.values()].filter(
    (link) => isOpen(link) && (link.a === node || link.b === node),
  );
  return open.length > 0 && open.every((link) => link.path === 'relay');
}

export const planNodes = (state: OrchestratorState): PlanNode[] =>
  workingNodes(state).map((node) => ({
    id: node.id,
    speed: speedOf(state, node),
    memoryBytes: node.memoryBytes,
    range: node.range,
    takeOver: node.takeOver,
    cached: [...node.cached, ...node.loaded],
    relayOnly: isRelayOnly(state, node.id),
  }));

/** In memory: what the node said, and what running sessions made it load (S6). */
function readyRanges(state: OrchestratorState, node: NodeRecord): LayerRange[] {
  const ready = [...node.loaded];
  for (const { plan } of state.sessions.values()) {
    for (const place of plan?.places ?? []) {
      if (place.node !== node.id || place.incarnation !== node.incarnation) continue;
      if (!ready.some((range) => sameRange(range, place.range))) ready.push(place.range);
    }
  }
  return ready;
}

/** Bytes of KV that a position takes in `range` on the node. */
function kvBytesOf({ config }: OrchestratorState, node: NodeRecord, range: LayerRange): number {
  const form = { engine: node.profile.engine, numerics: config.numerics };
  return kvPositionBytes(config.model.shape, range, form);
}

/** Bytes of KV that the sessions on the node have reserved. */
function kvReserved(state: OrchestratorState, node: NodeRecord): number {
  let bytes = 0;
  for (const { plan, positions } of state.sessions.values()) {
    for (const place of plan?.places ?? []) {
      if (place.node === node.id) bytes += positions * kvBytesOf(state, node, place.range);
    }
  }
  return bytes;
}

/** Whether one more session of `positions` fits: an idle node always takes one (S11). */
function hasRoom(state: OrchestratorState, node: NodeRecord, positions: number): boolean {
  const sessions = sessionsOn(state, node.id);
  if (sessions === 0) return true;
  if (sessions >= ORCHESTRATOR.sessionsPerNodeMax) return false;
  const { model } = state.config;
  const ranges = readyRanges(state, node);
  const weights = ranges.reduce((sum, range) => sum + storedBytes(model, range), 0);
  const kv = ranges.length === 0 ? 0 : kvBytesOf(state, node, largest(ranges));
  const free =
    node.memoryBytes -
    PLACEMENT.engineBytes -
    weights * PLACEMENT.weightFactor -
    kvReserved(state, node);
  return positions * kv <= free;
}

const largest = (ranges: readonly LayerRange[]): LayerRange =>
  ranges.reduce((best, range) =>
    range.last - range.first > best.last - best.first ? range : best,
  );

/** What a node could load from its cache: its take-over and what it held before. */
function standbyRanges({ takeOver, cached }: NodeRecord): LayerRange[] {
  const newestFirst = [...(takeOver ? [takeOver] : []), ...[...cached].reverse()];
  return newestFirst.filter(
    (range, index) => newestFirst.findIndex((other) => sameRange(other, range)) === index,
  );
}

function routeNode(state: OrchestratorState, node: NodeRecord, positions: number): RouteNode {
  const facts = {
    id: node.id,
    incarnation: node.incarnation,
    speed: speedOf(state, node),
    sessions: sessionsOn(state, node.id),
    relayOnly: isRelayOnly(state, node.id),
  };
  // A node that finishes keeps its places and takes no other.
  const works = node.standing.kind === 'working' && node.proven;
  if (!works) {
    return { ...facts, memoryBytes: 0, ready: [], standby: [], cached: [], room: false };
  }
  return {
    ...facts,
    memoryBytes: node.memoryBytes,
    ready: readyRanges(state, node),
    standby: standbyRanges(node),
    cached: [...node.cached, ...node.loaded],
    room: node.closedAt === null && hasRoom(state, node, positions),
  };
}

/** Who can serve now, for a session that needs KV for `positions`; `without` are left out. */
export function routeCluster(
  state: OrchestratorState,
  positions: number,
  without: ReadonlySet<NodeId> = new Set(),
): RouteCluster {
  const { model, minStages, numerics, wireDtype } = state.config;
  const alive = [...state.nodes.values()].filter(
    ({ id, standing }) =>
      (standing.kind === 'working' || standing.kind === 'finishing') && !without.has(id),
  );
  const links = new Map<string, LinkFact>();
  for (const [pair, link] of state.links) if (isOpen(link)) links.set(pair, link);
  return {
    model,
    nodes: alive.map((node) => routeNode(state, node, positions)),
    links,
    stages: state.stages,
    minStages,
    numerics,
    wireDtype: wireDtype === 'measured' ? 'f32' : wireDtype,
  };
}

/** Whether the node can never hold `range`: what a failed load teaches placement. */
export const memoryBelow = (state: OrchestratorState, range: LayerRange): number =>
  memoryNeeded(state.config.model, range) - 1;
