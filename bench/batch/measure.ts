import type { WeightSource, ModelShape, Numerics } from '#lib/webgpu/model.ts';
import { FilledStage } from './filled-stage.ts';

export const SESSIONS = [1, 2, 3, 4, 8, 16] as const;
export const PASTS = [128, 1000] as const;

/** Rounds over all counts and pasts: a machine that is slow for a while is slow for all of them. */
const ROUNDS = 10;
/** Steps of a round: few rows make short steps, so there are more of them. */
const STEP_ROWS = 8;

export interface BatchJob {
  readonly module: WebAssembly.Module;
  readonly shape: ModelShape;
  readonly weights: WeightSource;
  readonly numerics: Numerics;
}

export interface BatchRate {
  readonly past: number;
  readonly sessions: number;
  /** Times of steps of one token a session. */
  readonly stepsMs: readonly number[];
}

/** One stage of all layers, at every past and count of sessions in turns. */
export async function measureBatch(job: BatchJob): Promise<BatchRate[]> {
  const { module, ...rest } = job;
  const range = { first: 0, last: job.shape.layers - 1 };
  const positions = Math.max(...PASTS) + 1;
  const stage = await FilledStage.load(
    module,
    { ...rest, range },
    { sessions: Math.max(...SESSIONS), positions },
  );
  const cases = PASTS.flatMap((past) =>
    SESSIONS.map((sessions) => ({ past, sessions, stepsMs: [] as number[] })),
  );
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { past, sessions, stepsMs } of cases) {
      for (let i = 0; i < Math.ceil(STEP_ROWS / sessions); i += 1) {
        const started = performance.now();
        stage.step(sessions, past);
        if (round > 0) stepsMs.push(performance.now() - started); // the first warms up
      }
    }
  }
  return cases;
}
