import { must } from '#lib/kernel/assert.ts';
import { randomHex, type Exchange } from '../http/exchange.ts';
import { badParam } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { quotaHeaders } from '../admission.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { ModelText, ServedModel } from '../models/directory.ts';
import { samplingOf, stopsOf, type CompletionBody } from '../request/completion.ts';
import type { AnswerFormat } from '../request/response-format.ts';
import type { Telling } from './logprobs.ts';
import { plainAnswer } from './plain.ts';
import { retryKey } from './retry-key.ts';
import { startAnswer } from './start.ts';
import { streamAnswer } from './stream.ts';

/** A request that a door has understood. */
export interface Completion {
  readonly dialect: Dialect;
  readonly model: ServedModel;
  readonly text: ModelText;
  readonly body: CompletionBody;
  /** `max_tokens`, under whichever name the door knows it. */
  readonly maxTokens: number | null;
  readonly promptIds: readonly number[];
  /** What the answer has to fit; null: any text. */
  readonly format: AnswerFormat | null;
  /** How many likely ids are told with each token; null: not even its log probability. */
  readonly logprobs: number | null;
}

/** Starts the answer to a completion and serves it, streamed or plain. @throws FaultError */
export function serveCompletion(
  parts: GatewayParts,
  exchange: Exchange,
  completion: Completion,
): void {
  // Whoever hung up while the prompt was read gets no session (S10).
  if (exchange.res.destroyed) return;
  const { body, dialect, model, promptIds } = completion;
  const acceptedIds = body.declai?.resume?.accepted_ids ?? [];
  if (promptIds.length === 0) throw badParam(dialect.promptParam, 'The prompt is empty.');
  refuseForeignIds(completion, acceptedIds);
  const count = body.n ?? 1;
  if (count > 1 && body.declai?.resume) {
    const message = "'n' above 1 cannot be resumed: ask for the choices one by one.";
    throw badParam('n', message, 'request/unsupported');
  }
  const reading = { from: acceptedIds.length, streamed: body.stream === true };
  const key = retryKey(exchange.req.headers, [dialect.idPrefix, body]);
  const begun = key && parts.store.findByKey(key);
  if (begun) {
    serveAnswer(parts, exchange, { id: begun.facts.id, ...reading });
    return;
  }
  const { logprobs } = completion;
  const sampling = samplingOf(body, { randomSeed: randomSeed(), logprobs });
  const facts = {
    id: `${dialect.idPrefix}${randomHex(16)}`,
    dialect,
    model,
    askedAt: exchange.startedAt,
    created: Math.floor(Date.now() / 1000),
    promptIds,
    seed: sampling.seed,
    returnTokenIds: body.return_token_ids === true,
    includeUsage: body.stream_options?.include_usage === true,
    telling: logprobs === null ? null : tellingOf(completion),
    resumableMs: (body.declai?.resumable_s ?? 0) * 1000,
    retryKey: key,
  };
  const prefix = parts.prefixes.scopeOf({
    headers: exchange.req.headers,
    key: body.prompt_cache_key ?? null,
    ...{ model, promptIds, text: completion.text, choices: count },
  });
  startAnswer(parts, {
    facts,
    prefix,
    text: completion.text,
    choices: count,
    sampling,
    format: completion.format,
    stops: stopsOf(body),
    ignoreEos: body.ignore_eos === true,
    maxTokens: completion.maxTokens,
    acceptedIds,
  });
  serveAnswer(parts, exchange, { id: facts.id, ...reading });
}

/** @throws FaultError `request/invalid` naming the parameter with an id that the model has not. */
function refuseForeignIds(
  { body, dialect, model, promptIds }: Completion,
  acceptedIds: readonly number[],
): void {
  const isForeign = (id: number): boolean => id >= model.vocab;
  const inPrompt = promptIds.some(isForeign) || acceptedIds.some(isForeign);
  const inBias = Object.keys(body.logit_bias ?? {}).some((id) => isForeign(Number(id)));
  if (!inPrompt && !inBias) return;
  const promptParam = body.declai?.resume ? 'declai.resume' : dialect.promptParam;
  const param = inPrompt ? promptParam : 'logit_bias';
  throw badParam(param, `Token ids of ${model.id} are below ${model.vocab}.`);
}

const tellingOf = ({ text, model }: Completion): Telling => ({
  bytesOf: (id) => text.bytesOf(id),
  hiddenIds: model.eosIds,
});

/** Serves an answer of the store to one more reader. @throws FaultError `session/queue-full`. */
export function serveAnswer(
  parts: GatewayParts,
  exchange: Exchange,
  options: { readonly id: string; readonly from: number; readonly streamed: boolean },
): void {
  const { config, store } = parts;
  const source = must(store.find(options.id), 'the door found the answer');
  exchange.res.once('close', store.attach(options.id));
  const headers = () => ({
    ...completionHeaders(parts, exchange),
    'x-declai-answer': source.facts.id,
  });
  if (options.streamed) {
    streamAnswer(exchange, source, { from: options.from, config, headers: headers() });
  } else {
    plainAnswer(exchange, source, { config, headers });
  }
}

/** What OpenAI's responses carry beside the body; on refusals too. */
export const completionHeaders = (
  { answers, clock, store }: GatewayParts,
  { startedAt }: Exchange,
): Record<string, string> => ({
  ...quotaHeaders(store.quota(answers.load())),
  'openai-processing-ms': String(Math.round(clock.now() - startedAt)),
});

/** Below 2⁵³, as SamplingParams wants it. */
const randomSeed = (): number => parseInt(randomHex(7).slice(1), 16);
