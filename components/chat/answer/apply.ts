import { FaultError } from '#lib/kernel/errors.ts';
import { hasEnded, type AnswerPhase, type AnswerState, type Failure, type Mark } from './state.ts';
import type { Chunk } from './wire.ts';

/**
 * Takes one chunk into the answer. Tokens that were already taken are dropped by their index, so a
 * stream that is read twice gives the same text.
 * @throws FaultError `wire/malformed` where tokens are missing before the chunk's.
 */
export function applyChunk(answer: AnswerState, chunk: Chunk, now: number): AnswerState {
  if (hasEnded(answer)) return answer;
  const choice = chunk.choices[0];
  const ids = choice?.token_ids ?? [];
  const known = applyHeader(answer, chunk);
  const index = chunk.declai?.index ?? answer.acceptedIds.length;
  if (ids.length > 0 && index < answer.acceptedIds.length) return known;
  if (index > answer.acceptedIds.length) {
    throw new FaultError('wire/malformed', 'tokens of the answer are missing');
  }
  const taken = ids.length === 0 ? known : applyTokens(known, ids, now);
  const finish = choice?.finish_reason ?? null;
  return {
    ...taken,
    text: taken.text + (choice?.delta?.content ?? ''),
    phase: finish === null ? phaseOf(taken) : { type: 'done', finish },
  };
}

/** What a chunk tells of the answer as a whole: its name, its prompt, its route. */
function applyHeader(answer: AnswerState, chunk: Chunk): AnswerState {
  const moved = chunk.declai?.moved;
  return {
    ...answer,
    answerId: chunk.declai?.answer ?? chunk.id ?? answer.answerId,
    promptIds: chunk.prompt_token_ids ?? answer.promptIds,
    route: chunk.declai?.route ?? answer.route,
    marks: moved ? withMark(answer, { type: 'moved', at: moved.at_index }) : answer.marks,
  };
}

const applyTokens = (answer: AnswerState, ids: readonly number[], now: number): AnswerState => ({
  ...answer,
  acceptedIds: [...answer.acceptedIds, ...ids],
  firstTokenAt: answer.firstTokenAt ?? now,
  lastTokenAt: now,
});

/** Connected again; before the first token an answer still waits. */
const phaseOf = ({ acceptedIds }: AnswerState): AnswerPhase =>
  acceptedIds.length === 0 ? { type: 'asking' } : { type: 'streaming' };

/** The gateway has forgotten the answer: what follows is a new session that goes on (S13). */
export const applyForgotten = (answer: AnswerState): AnswerState => ({ ...answer, answerId: null });

/** A new session took over at `at`; the reader is told, because other machines may answer now. */
export const applyResumed = (answer: AnswerState): AnswerState => ({
  ...answer,
  phase: { type: 'streaming' },
  marks: withMark(answer, { type: 'resumed', at: answer.acceptedIds.length }),
});

export const applyBroken = (answer: AnswerState): AnswerState =>
  hasEnded(answer) ? answer : { ...answer, phase: { type: 'reconnecting' } };

export const applyStopped = (answer: AnswerState): AnswerState =>
  hasEnded(answer) ? answer : { ...answer, phase: { type: 'stopped' } };

export const applyFailed = (answer: AnswerState, failure: Failure): AnswerState =>
  hasEnded(answer) ? answer : { ...answer, phase: { type: 'failed', failure } };

/** Back to the start of the wait; text and ids stay where the answer goes on from them. */
export const applyRetried = (answer: AnswerState, now: number): AnswerState => ({
  ...answer,
  phase: { type: 'asking' },
  answerId: null,
  ...(answer.acceptedIds.length === 0 ? { askedAt: now } : {}),
});

function withMark(answer: AnswerState, mark: Mark): readonly Mark[] {
  const known = answer.marks.some(({ type, at }) => type === mark.type && at === mark.at);
  return known ? answer.marks : [...answer.marks, mark];
}
