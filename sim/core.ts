import {
  createStageCore,
  stepStage,
  viewStage,
  type StageCore,
} from '#lib/shard/stage/core/core.ts';
import { createOwner, stepOwner, viewOwner, type OwnerState } from '#lib/shard/session/owner.ts';
import { StopMatcher } from '#lib/shard/session/stop-strings.ts';

export type { OwnerState, StageCore };

/** What the simulator runs: ours, or another copy of it (`--core DIR`, mutants). */
export interface SimCore {
  readonly createOwner: typeof createOwner;
  readonly stepOwner: typeof stepOwner;
  readonly viewOwner: typeof viewOwner;
  readonly createStageCore: typeof createStageCore;
  readonly stepStage: typeof stepStage;
  readonly viewStage: typeof viewStage;
  readonly StopMatcher: typeof StopMatcher;
}

export const OUR_CORE: SimCore = {
  createOwner,
  stepOwner,
  viewOwner,
  createStageCore,
  stepStage,
  viewStage,
  StopMatcher,
};
