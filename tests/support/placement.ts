import type { NodeId } from '#lib/kernel/ids.ts';
import { MIB } from '#lib/kernel/units.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';
import type {
  LinkFact,
  PlacementModel,
  PlanNode,
  RouteCluster,
  RouteNode,
} from '#lib/shard/placement/core.ts';
import { pairKey } from '#lib/shard/placement/core.ts';

/** Models and nodes of round numbers for tests of placement and orchestrator. */

export const nodeId = (n: number): NodeId => n.toString(16).padStart(64, '0') as NodeId;

export const shapeOf = (layers: number): ModelShape => ({
  kind: 'llama',
  layers,
  hidden: 576,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  mlp: 1536,
  vocab: 49_152,
  contextMax: 8192,
  rmsEps: 1e-5,
  ropeTheta: 1e5,
  ropeScaling: null,
  tiedEmbeddings: true,
});

export const modelOf = (layers: number): PlacementModel => ({
  shape: shapeOf(layers),
  layerBytesBelow: Array.from({ length: layers + 1 }, (_, i) => i * 2 * MIB),
  embeddingBytes: 18 * MIB,
  tailBytes: 2304,
});

/** SmolLM2's proportions: a head costs as much as 9.5 layers at one row. */
export const speedOf = (layerMs = 0.22) => ({
  layerMs: [layerMs, layerMs * 3, layerMs * 17] as const,
  headMs: [layerMs * 9.5, layerMs * 60, layerMs * 480] as const,
  slowdown: 1,
});

export const planNode = (n: number, change: Partial<PlanNode> = {}): PlanNode => ({
  id: nodeId(n),
  speed: speedOf(),
  memoryBytes: 2048 * MIB,
  range: null,
  takeOver: null,
  cached: [],
  relayOnly: false,
  ...change,
});

export const routeNode = (n: number, change: Partial<RouteNode> = {}): RouteNode => ({
  id: nodeId(n),
  incarnation: n + 1,
  speed: speedOf(),
  memoryBytes: 2048 * MIB,
  ready: [],
  standby: [],
  cached: [],
  sessions: 0,
  room: true,
  relayOnly: false,
  ...change,
});

export const meshOf = (
  nodes: readonly RouteNode[],
  link: LinkFact = { path: 'direct', rttMs: 1.4 },
): ReadonlyMap<string, LinkFact> =>
  new Map(nodes.flatMap((a) => nodes.map((b) => [pairKey(a.id, b.id), link] as const)));

export const clusterOf = (
  layers: number,
  nodes: readonly RouteNode[],
  change: Partial<RouteCluster> = {},
): RouteCluster => ({
  model: modelOf(layers),
  nodes,
  links: meshOf(nodes),
  stages: [],
  minStages: 1,
  numerics: 'int16',
  wireDtype: 'f32',
  ...change,
});
