import * as z from 'zod/mini';
import { SAMPLING } from '#lib/webgpu/sampling/limits.ts';
import type { Penalties, SamplingParams } from '#lib/webgpu/sampling/params.ts';
import { PACKAGE } from '#lib/shard/package/limits.ts';
import { GATEWAY } from '../limits.ts';

/** What both completion doors take. Null means "not given", as clients write it. */

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const count = z.number().check(z.int(), z.gte(1), z.lte(Number.MAX_SAFE_INTEGER));
const stopText = z.string().check(z.minLength(1), z.maxLength(GATEWAY.stopCharsMax));
const isTokenId = (id: unknown): boolean =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < PACKAGE.vocabMax;

/**
 * One look and one issue: an array of zod's own makes an issue of each wrong item, which for a
 * megabyte of them takes a second of the thread that keeps every node alive (V1).
 */
export const isTokenIds = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length <= PACKAGE.contextMax && value.every(isTokenId);
const tokenIdsSchema = z.custom<readonly number[]>(isTokenIds, 'must be a list of token ids');

/** A list whose length is checked before its items, for the same reason. */
export const listOf = <Item extends z.ZodMiniType>(item: Item, itemsMax: number) =>
  z.pipe(
    z.custom<z.input<Item>[]>(
      (value) => Array.isArray(value) && value.length <= itemsMax,
      `must be a list of at most ${itemsMax}`,
    ),
    z.array(item),
  );

const seed = z
  .number()
  .check(z.int(), z.gte(-Number.MAX_SAFE_INTEGER), z.lte(Number.MAX_SAFE_INTEGER));

const penalty = z.number().check(z.gte(-SAMPLING.penaltyMax), z.lte(SAMPLING.penaltyMax));

const isBias = (value: unknown): boolean =>
  typeof value === 'number' && Math.abs(value) <= SAMPLING.biasMax;
const isLogitBias = (value: unknown): value is Readonly<Record<string, number>> => {
  if (!isRecord(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= SAMPLING.biasedIdsMax &&
    entries.every(([id, bias]) => /^\d{1,7}$/.test(id) && isTokenId(Number(id)) && isBias(bias))
  );
};
/** Token ids, as text, to what is added to their logits. */
const logitBias = z.custom<Readonly<Record<string, number>>>(
  isLogitBias,
  `must map at most ${SAMPLING.biasedIdsMax} token ids to numbers from -${SAMPLING.biasMax} to ${SAMPLING.biasMax}`,
);

/** `response_format`, as far as its type. */
export type Format = Readonly<Record<string, unknown>> & { readonly type: string };

/** The schema itself is the grammar's to read: it bounds what it walks. */
const responseFormat = z.custom<Format>(
  (value) => isRecord(value) && typeof value['type'] === 'string',
  'must be an object with a type',
);

const declaiSchema = z.object({
  resumable_s: z.nullish(z.number().check(z.gte(0), z.lte(GATEWAY.resumableSecondsMax))),
  /** An answer of a gateway that died goes on from here (S13). */
  resume: z.nullish(
    z.object({
      prompt_ids: tokenIdsSchema.check(z.minLength(1)),
      accepted_ids: tokenIdsSchema,
      seed,
    }),
  ),
});

/** The schema's members: each door adds its prompt. */
export const completionFields = {
  model: z.string({ error: 'you must name a model' }).check(z.minLength(1), z.maxLength(256)),
  max_tokens: z.nullish(count),
  /** Choices, each an answer of its own. */
  n: z.nullish(z.number().check(z.int(), z.gte(1), z.lte(GATEWAY.choicesMax))),
  temperature: z.nullish(z.number().check(z.gte(0), z.lte(2))),
  top_p: z.nullish(z.number().check(z.gte(0), z.lte(1))),
  /** 0 and vLLM's −1 keep all. */
  top_k: z.nullish(z.number().check(z.int(), z.gte(-1), z.lte(PACKAGE.vocabMax))),
  min_p: z.nullish(z.number().check(z.gte(0), z.lte(1))),
  typical_p: z.nullish(z.number().check(z.gt(0), z.lte(1))),
  presence_penalty: z.nullish(penalty),
  frequency_penalty: z.nullish(penalty),
  repetition_penalty: z.nullish(
    z.number().check(z.gte(SAMPLING.repetitionMin), z.lte(SAMPLING.repetitionMax)),
  ),
  logit_bias: z.nullish(logitBias),
  seed: z.nullish(seed),
  stop: z.nullish(
    z.union(
      [z.string().check(z.maxLength(GATEWAY.stopCharsMax)), listOf(stopText, GATEWAY.stopsMax)],
      {
        error: `stop must be a string or at most ${GATEWAY.stopsMax} non-empty strings`,
      },
    ),
  ),
  response_format: z.nullish(responseFormat),
  stream: z.nullish(z.boolean()),
  stream_options: z.nullish(z.object({ include_usage: z.nullish(z.boolean()) })),
  /** OpenAI's: requests with one key use each other's computed prompts. */
  prompt_cache_key: z.nullish(z.string().check(z.maxLength(GATEWAY.cacheKeyCharsMax))),
  ignore_eos: z.nullish(z.boolean()),
  return_token_ids: z.nullish(z.boolean()),
  declai: z.nullish(declaiSchema),
} as const;

export type CompletionBody = z.infer<z.ZodMiniObject<typeof completionFields>>;
export type Resume = NonNullable<NonNullable<CompletionBody['declai']>['resume']>;

/** Stop strings as a list; an empty string stops nothing. */
export function stopsOf({ stop }: CompletionBody): readonly string[] {
  const list = typeof stop === 'string' ? [stop] : (stop ?? []);
  return list.filter((text) => text !== '');
}

/** Defaults are OpenAI's: temperature 1, top_p 1. `randomSeed` where the request has none. */
export function samplingOf(
  body: CompletionBody,
  { randomSeed, logprobs }: { readonly randomSeed: number; readonly logprobs: number | null },
): SamplingParams {
  const topP = body.top_p ?? 1;
  const given = body.declai?.resume?.seed ?? body.seed;
  return {
    temperature: body.temperature ?? 1,
    // The smallest set that reaches 0 is the likeliest id alone; the sampler wants topP > 0.
    topK: topP === 0 ? 1 : Math.max(0, body.top_k ?? 0),
    topP: topP === 0 ? 1 : topP,
    minP: body.min_p ?? 0,
    typicalP: body.typical_p ?? 1,
    seed: given === null || given === undefined ? randomSeed : unsignedSeed(given),
    choice: 0,
    logprobs,
    penalties: penaltiesOf(body),
  };
}

/** Null where nothing changes a logit. */
function penaltiesOf(body: CompletionBody): Penalties | null {
  const penalties = {
    repetition: body.repetition_penalty ?? 1,
    presence: body.presence_penalty ?? 0,
    frequency: body.frequency_penalty ?? 0,
    bias: Object.entries(body.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias] as const),
  };
  const { repetition, presence, frequency, bias } = penalties;
  const isNeutral = repetition === 1 && presence === 0 && frequency === 0 && bias.length === 0;
  return isNeutral ? null : penalties;
}

/** OpenAI's seeds are signed, the sampler's are not: negative ones count from the top. */
const unsignedSeed = (given: number): number => (given < 0 ? given + 2 ** 53 : given);
