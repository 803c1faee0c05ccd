import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { PrefixScope } from '#lib/shard/session/prefix.ts';
import { StopMatcher } from '#lib/shard/session/stop-strings.ts';
import type { SamplingParams } from '#lib/webgpu/sampling/params.ts';
import type { Answers } from '#server/orchestrator/answers.ts';
import { badParam } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { ModelText, ServedModel } from '../models/directory.ts';
import type { AnswerFormat } from '../request/response-format.ts';
import type { AnswerFacts } from './facts.ts';
import { formatCheck } from './format-check.ts';
import { AnswerChoices } from './choices.ts';
import { AnswerRecord } from './record.ts';
import { answerText } from './text.ts';

/** Everything an answer is made from; the doors build it from a request. */
export interface AnswerPlan {
  readonly facts: AnswerFacts;
  readonly text: ModelText;
  /** How many; their random numbers differ (S8). */
  readonly choices: number;
  readonly sampling: SamplingParams;
  readonly format: AnswerFormat | null;
  readonly stops: readonly string[];
  readonly ignoreEos: boolean;
  /** Most tokens of the answer, those in `acceptedIds` included; `null`: what the context leaves. */
  readonly maxTokens: number | null;
  /** What a resuming page has already (S13), else empty. */
  readonly acceptedIds: readonly number[];
  /** Whose computed prompts it may use; null: nobody's. */
  readonly prefix: PrefixScope | null;
}

/**
 * Admits an answer and begins its sessions, all or none; the store has it when this returns.
 * @throws FaultError `session/context-length`, `session/no-cover`, `session/queue-full`,
 *   `request/invalid`.
 */
export function startAnswer(parts: GatewayParts, plan: AnswerPlan): void {
  const { facts, acceptedIds } = plan;
  const maxTokens = answerTokens(plan, parts.config.answerTokensMax);
  const eosIds = plan.ignoreEos ? [] : facts.model.eosIds;
  const records = Array.from({ length: plan.choices }, () => newRecord(parts, plan));
  for (const record of records) takeAccepted(record, { acceptedIds, eosIds, maxTokens });
  const choices = new AnswerChoices(records);
  const request = {
    model: facts.model.id,
    promptIds: facts.promptIds,
    acceptedIds,
    maxTokens,
    grammar: plan.format?.schema ?? null,
    eosIds,
    ...(plan.prefix && { prefix: plan.prefix }),
  };
  const tokens = plan.choices * (facts.promptIds.length + maxTokens);
  const begin = (record: AnswerRecord, choice: number): void => {
    // A resumed answer may have ended before its gateway did: then there is nothing to ask for.
    if (record.ending) return;
    const mayFollow = plan.format && formatCheck(plan.format.grammar);
    const asked = {
      ...{ ...request, sampling: { ...plan.sampling, choice } },
      ...(mayFollow && { mayFollow }),
    };
    record.bind(parts.answers.start(asked, (event) => record.apply(event)));
  };
  try {
    parts.store.open({ facts, choices }, { sessions: plan.choices, tokens }, () =>
      records.forEach(begin),
    );
  } catch (error) {
    choices.cancel();
    throw explainRefusal(error, parts, facts.model);
  }
}

const newRecord = ({ config }: GatewayParts, { text, stops, facts }: AnswerPlan): AnswerRecord =>
  new AnswerRecord({
    text: answerText({
      stream: text.stream(),
      stops: new StopMatcher(stops),
      hiddenIds: new Set(facts.model.eosIds),
    }),
    routesKeptMax: config.routesKeptMax,
  });

/** @throws FaultError `session/context-length` where not even one token fits. */
function answerTokens({ facts, maxTokens }: AnswerPlan, answerTokensMax: number): number {
  const prompt = facts.promptIds.length;
  const left = facts.model.contextMax - prompt;
  if (left < 1) {
    throw new FaultError(
      'session/context-length',
      `This model's context is ${facts.model.contextMax} tokens; the prompt has ${prompt}.`,
      { details: { param: facts.dialect.promptParam } },
    );
  }
  return Math.min(left, answerTokensMax, maxTokens ?? left);
}

function takeAccepted(
  record: AnswerRecord,
  answer: { acceptedIds: readonly number[]; eosIds: readonly number[]; maxTokens: number },
): void {
  const { acceptedIds, eosIds, maxTokens } = answer;
  for (const id of acceptedIds) {
    if (record.ending) {
      throw badParam('declai.resume', 'accepted_ids go on after the end of the answer.');
    }
    const isLast = record.pieces.length + 1 === maxTokens;
    record.accept(id, eosIds.includes(id) ? 'stop' : isLast ? 'length' : null);
  }
}

/** A refusal with what the caller can do about it: which layers are missing, when to ask again. */
function explainRefusal(error: unknown, parts: GatewayParts, model: ServedModel): unknown {
  if (isFault(error, 'session/no-cover')) {
    return new FaultError('session/no-cover', noCoverText(parts.answers, model), {
      cause: error,
      details: { retryAfterSeconds: parts.config.noCoverRetrySeconds },
    });
  }
  if (isFault(error, 'session/queue-full')) {
    return new FaultError('session/queue-full', error.message, {
      cause: error,
      details: { retryAfterSeconds: parts.store.retryAfter(parts.answers.load()) },
    });
  }
  return error;
}

function noCoverText(answers: Answers, model: ServedModel): string {
  const missing = answers.view().uncovered.find((entry) => entry.model === model.id);
  const names = (missing?.ranges ?? []).map(({ first, last }) =>
    first === last ? `layer ${first}` : `layers ${first}–${last}`,
  );
  const which = names.length > 0 ? names.join(', ') : 'some layers';
  return `No node holds ${which} of ${model.id}. Open /volunteer in a tab to lend them.`;
}
