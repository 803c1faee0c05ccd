import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { helperWith } from '#lib/webgpu/cpu/helper-worker.ts';
import type { ModelShape, WeightSource } from '#lib/webgpu/model.ts';
import { FilledStage } from '../batch/filled-stage.ts';
import { answerInTab } from '../worker-reply.ts';

/** Positions before the token that is made: halfway through the answers that are compared. */
const PAST = 192;
const ROUNDS = 12;
/** Steps of a round: a machine that is slow for a while is slow for both stages. */
const STEPS = 24;
/** This very file, as a helper thread of the stage. */
const HELPER = '#helper';

if (self.location.hash === HELPER) void import('#lib/webgpu/cpu/helper-browser.ts');
else answerInTab(({ shape }, weights) => measureAlone(shape, weights));

/** Milliseconds of decode steps of all layers with one thread and with two, nothing else at work. */
async function measureAlone(shape: ModelShape, weights: WeightSource): Promise<number[][]> {
  const range = { first: 0, last: shape.layers - 1 };
  const options = { shape, weights, range, numerics: 'int16' } as const;
  const of = { sessions: 1, positions: PAST + 1 };
  const start = helperWith(() => new Worker(`${self.location.pathname}${HELPER}`));
  const threads = { count: 2, start };
  const one = await FilledStage.load(await loadKernels(), options, of);
  const two = await FilledStage.load(await loadKernels('threads'), options, { ...of, threads });
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [at, stage] of [one, two].entries()) {
      for (let step = 0; step < STEPS; step += 1) {
        const startedAt = performance.now();
        stage.step(1, PAST);
        if (round > 0) times[at]?.push(performance.now() - startedAt); // the first warms up
      }
    }
  }
  two.dispose();
  return times;
}
