import type { StopMatcher } from '#lib/shard/session/stop-strings.ts';
import type { TokenStream } from '#lib/shard/package/tokenizer.ts';

/** What one token adds to the text that a reader sees. */
export interface TextStep {
  readonly text: string;
  /** A stop string is complete: the answer ends before it. */
  readonly stopped: boolean;
}

export interface AnswerText {
  /** @param last no token follows: what was held back is given out. */
  push(id: number, last: boolean): TextStep;
}

export interface TextParts {
  readonly stream: TokenStream;
  readonly stops: StopMatcher;
  /** Ids that end an answer and are never shown, also where `ignore_eos` lets it go on. */
  readonly hiddenIds: ReadonlySet<number>;
}

/** Bytes of tokens, to whole characters, to text without stop strings (S8). */
export function answerText({ stream, stops, hiddenIds }: TextParts): AnswerText {
  return {
    push(id, last) {
      const raw = (hiddenIds.has(id) ? '' : stream.push(id)) + (last ? stream.flush() : '');
      const { emit, stopped } = stops.push(raw);
      return { text: last && !stopped ? emit + stops.flush() : emit, stopped };
    },
  };
}
