import { CHAT } from '../limits.ts';
import type { AnswerState } from './state.ts';

export interface ChatTurn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What a person can set; `null` leaves the choice to the server. */
export interface AskSettings {
  readonly temperature: number;
  readonly maxTokens: number | null;
}

export interface Ask {
  /** Unguessable, and the same in each turn: what was computed of earlier turns is used again. */
  readonly cacheKey: string;
  readonly turns: readonly ChatTurn[];
  readonly settings: AskSettings;
}

/** The body of `POST /v1/chat/completions`; with `resume` it goes on after the accepted ids. */
export function requestBody(ask: Ask, answer: AnswerState, resume: boolean): object {
  return {
    model: answer.model,
    messages: ask.turns,
    temperature: ask.settings.temperature,
    seed: answer.seed,
    ...(ask.settings.maxTokens === null ? {} : { max_tokens: ask.settings.maxTokens }),
    stream: true,
    stream_options: { include_usage: true },
    return_token_ids: true,
    prompt_cache_key: ask.cacheKey,
    declai: {
      resumable_s: CHAT.resumableSeconds,
      ...(resume
        ? {
            resume: {
              prompt_ids: answer.promptIds,
              accepted_ids: answer.acceptedIds,
              seed: answer.seed,
            },
          }
        : {}),
    },
  };
}
