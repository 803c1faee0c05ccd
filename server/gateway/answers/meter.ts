import type { InstantMs } from '#lib/kernel/units.ts';
import { errorBody } from '../errors.ts';
import type { AnswerSource } from './chunks.ts';

/** What an operator may know of an answer that has ended: figures, never a word of it. */
export interface EndedAnswer {
  /** Of its first choice; null where none began: a resumed answer that was complete already. */
  readonly session: string | null;
  /** `stop` or `length` (of its first choice), or the code that its reader got. */
  readonly end: string;
  readonly promptTokens: number;
  /** Tokens of all choices that this gateway gave out; those that a resuming page brought are not among them. */
  readonly tokens: number;
  /** From the request to its first token; null where none came. */
  readonly ttftMs: number | null;
  /** From the first token to the last, pauses included; null below two tokens. */
  readonly tokensPerSecond: number | null;
}

/** Notes when the tokens of one answer came. */
export class AnswerMeter {
  readonly #source: AnswerSource;
  readonly #brought: number;
  #seen: number;
  #firstAt: InstantMs | null = null;
  #lastAt: InstantMs | null = null;

  constructor(source: AnswerSource) {
    this.#source = source;
    this.#brought = source.choices.tokens;
    this.#seen = this.#brought;
  }

  /** To be called after every change of the record. */
  look(now: InstantMs): void {
    const count = this.#source.choices.tokens;
    if (count === this.#seen) return;
    this.#seen = count;
    this.#firstAt ??= now;
    this.#lastAt = now;
  }

  result(): EndedAnswer {
    const { facts, choices } = this.#source;
    const tokens = this.#seen - this.#brought;
    const seconds = ((this.#lastAt ?? 0) - (this.#firstAt ?? 0)) / 1000;
    return {
      session: choices.session,
      end: endOf(this.#source),
      promptTokens: facts.promptIds.length,
      tokens,
      ttftMs: this.#firstAt === null ? null : this.#firstAt - facts.askedAt,
      tokensPerSecond: tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : null,
    };
  }
}

function endOf({ choices: { ending } }: AnswerSource): string {
  if (ending?.kind === 'finished') return ending.reason;
  return errorBody(ending?.fault).error.code ?? 'internal_error';
}
