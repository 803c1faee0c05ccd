import type { RouteView } from '#server/orchestrator/answers.ts';
import type { AnswerFacts } from './facts.ts';
import { chosenTokens } from './logprobs.ts';
import type { AnswerRecord, Ending, FinishReason } from './record.ts';

/** What is read: the fixed facts and the growing record. */
export interface AnswerSource {
  readonly facts: AnswerFacts;
  readonly record: AnswerRecord;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The chunks of an answer from token `from` on, each an object for one `data:` line. Yields `null`
 * where the next one is not there yet, returns how the answer ended.
 *
 * Every chunk has `choices`, each choice an `index`; `finish_reason` is null until one last chunk;
 * the usage chunk, the only one with empty `choices`, comes only where it was asked for.
 */
export function* answerChunks(
  source: AnswerSource,
  from: number,
): Generator<Json | null, Ending, void> {
  const { facts, record } = source;
  let route = routeBefore(record, from);
  let index = from;
  yield openingChunk(source, { index, route });
  for (;;) {
    const change = nextRoute(record, { after: route, index });
    if (change) {
      const moved = route ? { moved: movedJson(change) } : {};
      route = change;
      yield chunk(facts, choice(facts.dialect.piece('')), {
        declai: { index, ...routeJson(change), ...moved },
      });
      continue;
    }
    const piece = record.pieces[index];
    if (piece) {
      const ids = facts.returnTokenIds ? { token_ids: [piece.id] } : {};
      const part = { ...facts.dialect.piece(piece.text), ...ids };
      const logprobs = logprobsJson(source, { from: index, to: index + 1 });
      yield chunk(facts, choice(part, { logprobs }), { declai: { index } });
      index += 1;
      continue;
    }
    if (record.ending) break;
    yield null;
  }
  const ending = record.ending;
  if (ending.kind === 'finished') yield* closingChunks(source, ending.reason);
  return ending;
}

/** The whole answer as one object, once it has finished. */
export function wholeAnswer({ facts, record }: AnswerSource, reason: FinishReason): Json {
  const text = record.pieces.map((piece) => piece.text).join('');
  const ids = facts.returnTokenIds ? { token_ids: record.pieces.map((piece) => piece.id) } : {};
  const route = record.routes.at(-1);
  const moved = record.routes.length > 1 && route ? { moved: movedJson(route) } : {};
  const { prompt, inChoice } = promptIdsJson(facts);
  return {
    ...envelope(facts, facts.dialect.objects.whole),
    ...prompt,
    choices: [
      choice(
        { ...facts.dialect.whole(text), ...ids, ...inChoice },
        {
          reason,
          logprobs: logprobsJson({ facts, record }, { from: 0, to: record.pieces.length }),
        },
      ),
    ],
    usage: usageJson({ facts, record }),
    declai: { ...answerJson({ facts, record }), ...(route ? routeJson(route) : {}), ...moved },
  };
}

function openingChunk(
  source: AnswerSource,
  { index, route }: { index: number; route: RouteView | null },
): Json {
  const { facts } = source;
  const { prompt, inChoice } = promptIdsJson(facts);
  return chunk(facts, choice({ ...facts.dialect.opening, ...inChoice }), {
    ...prompt,
    declai: { ...answerJson(source), index, ...(route ? routeJson(route) : {}) },
  });
}

function* closingChunks(source: AnswerSource, reason: FinishReason): Generator<Json, void, void> {
  const { facts, record } = source;
  yield chunk(facts, choice(facts.dialect.closing, { reason }), {
    declai: { index: record.pieces.length },
  });
  if (!facts.includeUsage) return;
  yield {
    ...envelope(facts, facts.dialect.objects.chunk),
    choices: [],
    usage: usageJson(source),
  };
}

/** The route that a reader who has read up to `from` knows of; moves since then are told. */
function routeBefore(record: AnswerRecord, from: number): RouteView | null {
  const known = record.routes.filter((route) => route.atIndex < from).at(-1);
  return known ?? record.routes.find((route) => route.atIndex <= from) ?? null;
}

function nextRoute(
  record: AnswerRecord,
  { after, index }: { after: RouteView | null; index: number },
): RouteView | null {
  const epoch = after?.epoch ?? 0;
  return record.routes.find((route) => route.epoch > epoch && route.atIndex <= index) ?? null;
}

const envelope = (facts: AnswerFacts, object: string): Json => ({
  id: facts.id,
  object,
  created: facts.created,
  model: facts.model.id,
  system_fingerprint: `fp_${facts.model.hash.slice(0, 12)}`,
});

const chunk = (facts: AnswerFacts, choices: Json, extra: Json): Json => ({
  ...envelope(facts, facts.dialect.objects.chunk),
  choices: [choices],
  ...(facts.includeUsage ? { usage: null } : {}),
  ...extra,
});

const choice = (
  part: Json,
  { reason = null, logprobs = null }: { reason?: FinishReason | null; logprobs?: Json | null } = {},
): Json => ({ index: 0, ...part, logprobs, finish_reason: reason });

function logprobsJson(
  { facts, record }: AnswerSource,
  tokens: { readonly from: number; readonly to: number },
): Json | null {
  const { telling, dialect } = facts;
  return telling && dialect.logprobs(chosenTokens(record, tokens, telling));
}

function promptIdsJson(facts: AnswerFacts): { prompt: Json; inChoice: Json } {
  const ids = facts.returnTokenIds ? { prompt_token_ids: facts.promptIds } : {};
  return facts.dialect.promptIdsInChoice
    ? { prompt: {}, inChoice: ids }
    : { prompt: ids, inChoice: {} };
}

function usageJson({ facts, record }: AnswerSource): Json {
  const prompt = facts.promptIds.length;
  const completion = record.pieces.length;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}

const answerJson = ({ facts, record }: AnswerSource): Json => ({
  answer: facts.id,
  session: record.session,
  seed: facts.seed,
});

const routeJson = (route: RouteView): Json => ({
  epoch: route.epoch,
  route: route.places.map((place) => ({
    node: place.node,
    kind: place.kind,
    first_layer: place.firstLayer,
    last_layer: place.lastLayer,
    path: place.path,
  })),
});

const movedJson = (route: RouteView): Json => ({
  at_index: route.atIndex,
  cause: route.cause,
  reason: 'answer.moved',
});
