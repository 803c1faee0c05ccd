import { GREEDY, type SamplingParams } from '#lib/webgpu/sampling/params.ts';
import { goldenRow, readJsonLines } from './golden.ts';

/** One way to sample and the ids that it must give, on every machine and route. */
export interface SampledRow {
  readonly name: string;
  readonly params: SamplingParams;
  readonly ids: readonly number[];
}

/** The prompt of all rows: a story, where the likeliest token is often not the only one. */
export const sampledPrompt = (): readonly number[] => goldenRow('story').promptIds;

/**
 * `tests/golden/data/sampled.jsonl`: ids drawn by `sampling-oracle.ts` from the logits of one stage
 * that holds the whole model, `int16`, one token after the other.
 */
export const sampledRows = (): SampledRow[] =>
  (readJsonLines('sampled.jsonl') as SampledRow[]).map((row) => ({
    ...row,
    params: { ...GREEDY, ...row.params },
  }));

/** The same settings as a request to the API says them. */
export const requestOf = ({ params }: SampledRow): Readonly<Record<string, unknown>> => ({
  temperature: params.temperature,
  top_k: params.topK,
  top_p: params.topP,
  min_p: params.minP,
  typical_p: params.typicalP,
  seed: params.seed,
  ...(params.penalties && {
    repetition_penalty: params.penalties.repetition,
    presence_penalty: params.penalties.presence,
    frequency_penalty: params.penalties.frequency,
    logit_bias: Object.fromEntries(params.penalties.bias),
  }),
});
