import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import { loadMs, memoryNeeded, storedBytes, type NodeSpeed, type PlacementModel } from './costs.ts';
import { PLACEMENT } from './limits.ts';
import { containsRange, missingLayers, layerCount, sameRange } from './ranges.ts';

/** A cluster as routes see it: who holds what now, who could, and which pairs are linked. */

export interface RouteNode {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly speed: NodeSpeed;
  readonly memoryBytes: number;
  /** In memory, on a device whose known answers were right. */
  readonly ready: readonly LayerRange[];
  /** Named to take over, or held before: loads from its cache. */
  readonly standby: readonly LayerRange[];
  readonly cached: readonly LayerRange[];
  readonly sessions: number;
  /** False where its sessions or its KV memory are full: no new session, a failover still may. */
  readonly room: boolean;
  readonly relayOnly: boolean;
}

export interface LinkFact {
  readonly path: 'direct' | 'relay';
  readonly rttMs: number | null;
  /** Bytes a millisecond from either end, where it was measured; absent: nowhere. */
  readonly rates?: ReadonlyMap<NodeId, number>;
}

export interface RouteCluster {
  readonly model: PlacementModel;
  /** Trusted nodes that take work; paused, leaving and lost ones are not here. */
  readonly nodes: readonly RouteNode[];
  /** Open links by {@link pairKey}. */
  readonly links: ReadonlyMap<string, LinkFact>;
  /** The present cut: what a lost range may be filled by, piece by piece. */
  readonly stages: readonly LayerRange[];
  readonly minStages: number;
  readonly numerics: Numerics;
  /** How rows travel in plans made here; who begins a session may choose otherwise (`wireFor`). */
  readonly wireDtype: WireDtype;
}

/** A node that could serve `range`, and the milliseconds until it has it; 0 where it is loaded. */
export interface Offer {
  readonly node: RouteNode;
  readonly range: LayerRange;
  readonly loadMs: number;
}

/** What nodes hold, and what they can load from their caches. */
export function offersOf({ model, nodes }: RouteCluster): Offer[] {
  return nodes.flatMap((node) => {
    const ready = node.ready.map((range) => ({ node, range, loadMs: 0 }));
    const standby = node.standby
      .filter((range) => !node.ready.some((have) => sameRange(have, range)))
      .map((range) => ({ node, range, loadMs: loadTime(model, node, range) }));
    return [...ready, ...standby].slice(0, PLACEMENT.rangesPerNodeMax);
  });
}

/** What any node with free memory could load for `gap`: all of it, or a stage of the cut in it. */
export function forcedOffers({ model, nodes, stages }: RouteCluster, gap: LayerRange): Offer[] {
  const pieces = stages.filter((stage) => containsRange(gap, stage) && !sameRange(gap, stage));
  return nodes.flatMap((node) =>
    [gap, ...pieces]
      .filter((range) => memoryFree(model, node) >= memoryNeeded(model, range))
      .map((range) => ({ node, range, loadMs: loadTime(model, node, range) })),
  );
}

const memoryFree = (model: PlacementModel, node: RouteNode): number =>
  node.memoryBytes - node.ready.reduce((sum, range) => sum + memoryNeeded(model, range), 0);

function loadTime(model: PlacementModel, node: RouteNode, range: LayerRange): number {
  const missing = missingLayers(range, node.cached) / layerCount(range);
  return loadMs(model, range, missing * storedBytes(model, range));
}

/** Milliseconds of one hop over the link: half a round trip. */
export function linkMs({ path, rttMs }: LinkFact): number {
  const half = rttMs === null ? PLACEMENT.hopMsDefault : rttMs / 2;
  return path === 'relay' ? half + PLACEMENT.relayHopMs : half;
}

/** The open link of two nodes, if there is one. */
export const linkOf = ({ links }: RouteCluster, a: NodeId, b: NodeId): LinkFact | null =>
  links.get(pairKey(a, b)) ?? null;

/** One name for a pair, whichever end asks. */
export const pairKey = (a: NodeId, b: NodeId): string => (a < b ? `${a}${b}` : `${b}${a}`);
