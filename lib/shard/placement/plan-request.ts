import type { LayerRange } from '#lib/webgpu/model.ts';
import type { PlacementModel } from './costs.ts';
import type { CutNode } from './stages.ts';

/** A node as the planner sees it: available for new work. Paused and leaving nodes are left out. */
export interface PlanNode extends CutNode {
  /** The range it is named for now (P1). */
  readonly takeOver: LayerRange | null;
  /** Reached through the server only: never the sole holder when another choice exists (M6). */
  readonly relayOnly: boolean;
}

export interface PlanRequest {
  readonly model: PlacementModel;
  readonly nodes: readonly PlanNode[];
  /** Routes use at least so many different nodes while so many are there (P2). */
  readonly minStages: number;
  /** The present cut, in order; empty at the start or to cut anew. */
  readonly stages: readonly LayerRange[];
  /**
   * More nodes are expected: a cut for `minStages` is kept, or made ahead, with holes for who is
   * still to come, so that nobody downloads what another will hold.
   */
  readonly patient: boolean;
}
