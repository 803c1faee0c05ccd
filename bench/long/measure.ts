import type { ModelShape, WeightSource } from '#lib/webgpu/model.ts';
import { FilledStage } from '../batch/filled-stage.ts';

/** Positions before the token that is made. */
export const PASTS = [128, 4000] as const;
const ROUNDS = 12;
/** Steps of a round at each past: a machine that is slow for a while is slow for both. */
const STEPS = 8;

export interface LongJob {
  readonly module: WebAssembly.Module;
  readonly shape: ModelShape;
  readonly weights: WeightSource;
}

/** Milliseconds of decode steps of one session at each of `PASTS`. */
export async function measureLong({ module, shape, weights }: LongJob): Promise<number[][]> {
  const range = { first: 0, last: shape.layers - 1 };
  const positions = Math.max(...PASTS) + 1;
  const options = { shape, weights, range, numerics: 'int16' } as const;
  const stage = await FilledStage.load(module, options, { sessions: 1, positions });
  const times: number[][] = PASTS.map(() => []);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [at, past] of PASTS.entries()) {
      for (let step = 0; step < STEPS; step += 1) {
        const startedAt = performance.now();
        stage.step(1, past);
        if (round > 0) times[at]?.push(performance.now() - startedAt); // the first warms up
      }
    }
  }
  return times;
}
