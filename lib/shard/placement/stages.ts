import type { NodeId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { memoryNeeded, stepMs, type NodeSpeed, type PlacementModel } from './costs.ts';
import { PLACEMENT } from './limits.ts';
import { missingLayers, sameRange } from './ranges.ts';

/** A stage placed on a node, and what it costs: shared by all ways of cutting a model. */

export interface CutNode {
  readonly id: NodeId;
  readonly speed: NodeSpeed;
  readonly memoryBytes: number;
  /** What it holds or loads now. */
  readonly range: LayerRange | null;
  /** Layers it need not download. */
  readonly cached: readonly LayerRange[];
}

export interface PlacedStage<Node extends CutNode = CutNode> {
  readonly node: Node;
  readonly range: LayerRange;
}

export const fits = (model: PlacementModel, node: CutNode, range: LayerRange): boolean =>
  memoryNeeded(model, range) <= node.memoryBytes;

/** Milliseconds of one decode row through the stage. */
export const stageMs = (model: PlacementModel, stage: PlacedStage): number =>
  stepMs(model.shape, stage.node.speed, { range: stage.range, rows: 1 });

/** What bounds many streams: the slowest stage. */
export const bottleneckMs = (model: PlacementModel, cut: readonly PlacedStage[]): number =>
  Math.max(...cut.map((stage) => stageMs(model, stage)));

/** What bounds one stream: all stages and their hops. */
export const roundMs = (model: PlacementModel, cut: readonly PlacedStage[]): number =>
  cut.reduce((sum, stage) => sum + stageMs(model, stage), 0) +
  (cut.length > 1 ? cut.length * PLACEMENT.hopMsDefault : 0);

/** Layers to download, then holders that change: the order in which a move hurts. */
export const moveCost = (stage: PlacedStage): number =>
  missingLayers(stage.range, stage.node.cached) * 1e6 +
  (sameRange(stage.node.range, stage.range) ? 0 : 1e3);
