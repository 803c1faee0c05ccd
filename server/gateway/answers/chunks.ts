import type { RouteView } from '#server/orchestrator/answers.ts';
import type { AnswerFacts } from './facts.ts';
import { chosenTokens } from './logprobs.ts';
import { must } from '#lib/kernel/assert.ts';
import type { AnswerChoices } from './choices.ts';
import type { AnswerRecord, Ending, FinishReason } from './record.ts';

/** What is read: the fixed facts and the growing records. */
export interface AnswerSource {
  readonly facts: AnswerFacts;
  readonly choices: AnswerChoices;
}

interface ChoiceSource {
  readonly facts: AnswerFacts;
  readonly record: AnswerRecord;
  readonly at: number;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The chunks of an answer from token `from` of each choice on, each an object for one `data:` line.
 * Yields `null` where the next one is not there yet, returns how the answer ended.
 *
 * Every chunk has `choices`, one choice with its `index`; `finish_reason` is null until one last
 * chunk a choice; the usage chunk, the only one with empty `choices`, comes only where it was asked
 * for.
 */
export function* answerChunks(
  source: AnswerSource,
  from: number,
): Generator<Json | null, Ending, void> {
  const { facts, choices } = source;
  const running = new Set(
    choices.records.map((record, at) => choiceChunks({ facts, record, at }, from)),
  );
  for (;;) {
    let isIdle = true;
    for (const chunks of running) {
      const { value, done } = chunks.next();
      if (done) running.delete(chunks);
      else if (value) {
        isIdle = false;
        yield value;
      }
    }
    if (!isIdle) continue;
    if (choices.ending) break;
    yield null;
  }
  const { ending } = choices;
  if (ending.kind === 'finished' && facts.includeUsage) yield usageChunk(source);
  return ending;
}

/** The chunks of one choice; it ends with the choice, whatever the others do. */
function* choiceChunks(source: ChoiceSource, from: number): Generator<Json | null, void, void> {
  const { facts, record, at } = source;
  let route = routeBefore(record, from);
  let index = from;
  yield openingChunk(source, { index, route });
  for (;;) {
    const change = nextRoute(record, { after: route, index });
    if (change) {
      const moved = route ? { moved: movedJson(change) } : {};
      route = change;
      yield chunk(facts, choice(at, facts.dialect.piece('')), {
        declai: { index, ...routeJson(change), ...moved },
      });
      continue;
    }
    const piece = record.pieces[index];
    if (piece) {
      const ids = facts.returnTokenIds ? { token_ids: [piece.id] } : {};
      const part = { ...facts.dialect.piece(piece.text), ...ids };
      const logprobs = logprobsJson(source, { from: index, to: index + 1 });
      yield chunk(facts, choice(at, part, { logprobs }), { declai: { index } });
      index += 1;
      continue;
    }
    if (record.ending) break;
    yield null;
  }
  if (record.ending.kind === 'finished') yield closingChunk(source, record.ending.reason);
}

/** The whole answer as one object, once it has finished. */
export function wholeAnswer(source: AnswerSource): Json {
  const { facts, choices } = source;
  const first = must(choices.records[0], 'an answer has a choice');
  return {
    ...envelope(facts, facts.dialect.objects.whole),
    ...promptIdsJson(facts).prompt,
    choices: choices.records.map((record, at) => wholeChoice({ facts, record, at })),
    usage: usageJson(source),
    declai: { ...answerJson({ facts, record: first, at: 0 }), ...lastRouteJson(first) },
  };
}

/** Where there are several each tells its session and route: the answer's are those of the first. */
function wholeChoice(source: ChoiceSource): Json {
  const { facts, record, at } = source;
  const { pieces, ending } = record;
  const text = pieces.map((piece) => piece.text).join('');
  const ids = facts.returnTokenIds ? { token_ids: pieces.map((piece) => piece.id) } : {};
  const { inChoice } = promptIdsJson(facts);
  const isOther = at > 0;
  const other = { declai: { session: record.session, ...lastRouteJson(record) } };
  return choice(
    at,
    { ...facts.dialect.whole(text), ...ids, ...inChoice, ...(isOther ? other : {}) },
    {
      reason: ending?.kind === 'finished' ? ending.reason : null,
      logprobs: logprobsJson(source, { from: 0, to: pieces.length }),
    },
  );
}

function lastRouteJson({ routes }: AnswerRecord): Json {
  const route = routes.at(-1);
  if (!route) return {};
  return { ...routeJson(route), ...(routes.length > 1 ? { moved: movedJson(route) } : {}) };
}

function openingChunk(
  source: ChoiceSource,
  { index, route }: { index: number; route: RouteView | null },
): Json {
  const { facts, at } = source;
  const { prompt, inChoice } = promptIdsJson(facts);
  return chunk(facts, choice(at, { ...facts.dialect.opening, ...inChoice }), {
    ...prompt,
    declai: { ...answerJson(source), index, ...(route ? routeJson(route) : {}) },
  });
}

function closingChunk({ facts, record, at }: ChoiceSource, reason: FinishReason): Json {
  return chunk(facts, choice(at, facts.dialect.closing, { reason }), {
    declai: { index: record.pieces.length },
  });
}

function usageChunk(source: AnswerSource): Json {
  const { facts } = source;
  const head = envelope(facts, facts.dialect.objects.chunk);
  return { ...head, choices: [], usage: usageJson(source) };
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
  index: number,
  part: Json,
  { reason = null, logprobs = null }: { reason?: FinishReason | null; logprobs?: Json | null } = {},
): Json => ({ index, ...part, logprobs, finish_reason: reason });

function logprobsJson(
  { facts, record }: ChoiceSource,
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

/** The prompt counts once, however many choices there are. */
function usageJson({ facts, choices }: AnswerSource): Json {
  const prompt = facts.promptIds.length;
  const completion = choices.tokens;
  const cached = choices.records[0]?.cachedTokens ?? 0;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    // OpenAI's; left out where there is nothing to tell, as vLLM does.
    ...(cached > 0 && { prompt_tokens_details: { cached_tokens: cached } }),
  };
}

const answerJson = ({ facts, record }: ChoiceSource): Json => ({
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
