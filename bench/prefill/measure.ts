import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import type { ModelShape, WeightSource } from '#lib/webgpu/model.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { Segment } from '#lib/webgpu/stage.ts';

/** Tokens of the prompts that are read. */
export const PREFILLS = [128, 512] as const;
const ROUNDS = 6;
const KV_BYTES_MAX = 64e6;

export interface PrefillJob {
  readonly module: WebAssembly.Module;
  readonly shape: ModelShape;
  readonly weights: WeightSource;
}

/** Milliseconds from a prompt's ids to its first token, of each of `PREFILLS`, each round. */
export async function measurePrefill(job: PrefillJob): Promise<number[][]> {
  const { module, shape, weights } = job;
  const stage = await cpuStageFactory(module)({
    ...{ shape, weights, numerics: 'int16', kvBytesMax: KV_BYTES_MAX },
    range: { first: 0, last: shape.layers - 1 },
  });
  const times: number[][] = PREFILLS.map(() => []);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [at, rows] of PREFILLS.entries()) {
      const kv = stage.openKv();
      const startedAt = performance.now();
      await stage.step([wholePrompt(kv, rows)]);
      if (round > 0) times[at]?.push(performance.now() - startedAt); // the first warms up
      stage.closeKv(kv);
    }
  }
  stage.dispose();
  return times;
}

/** Ids of words, not of control tokens; what a step costs does not depend on them. */
const wholePrompt = (kv: number, rows: number): Segment => ({
  ...{ kv, firstPosition: 0, rows, hidden: null },
  ids: Int32Array.from({ length: rows }, (_, at) => 300 + ((at * 7919) % 40_000)),
  want: { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY },
});
