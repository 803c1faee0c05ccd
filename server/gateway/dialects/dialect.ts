import type { ChosenToken } from '../answers/logprobs.ts';

type Part = Readonly<Record<string, unknown>>;

/** Where the two completion doors differ in what they write; the rest is `answers/chunks.ts`. */
export interface Dialect {
  readonly idPrefix: 'chatcmpl-' | 'cmpl-';
  readonly objects: { readonly chunk: string; readonly whole: string };
  /** What stands in `choices[0]`: in the first and the last chunk, for a token, in a plain answer. */
  readonly opening: Part;
  readonly closing: Part;
  piece(text: string): Part;
  whole(text: string): Part;
  logprobs(tokens: readonly ChosenToken[]): Part;
  /** Whether `prompt_token_ids` stands in the choice or beside `choices` (vLLM has both). */
  readonly promptIdsInChoice: boolean;
  /** The parameter to blame for a prompt that is too long. */
  readonly promptParam: string;
}

export const CHAT: Dialect = {
  idPrefix: 'chatcmpl-',
  objects: { chunk: 'chat.completion.chunk', whole: 'chat.completion' },
  // Clients refuse a stream whose first chunk has no role or another one (dialect, 4.9).
  opening: { delta: { role: 'assistant', content: '' } },
  closing: { delta: {} },
  piece: (content) => ({ delta: { content } }),
  whole: (content) => ({ message: { role: 'assistant', content, refusal: null } }),
  logprobs: (tokens) => ({
    content: tokens.map(({ token, logprob, bytes, top }) => ({
      ...{ token, logprob, bytes },
      top_logprobs: top,
    })),
    refusal: null,
  }),
  promptIdsInChoice: false,
  promptParam: 'messages',
};

export const COMPLETIONS: Dialect = {
  idPrefix: 'cmpl-',
  objects: { chunk: 'text_completion', whole: 'text_completion' },
  opening: { text: '' },
  closing: { text: '' },
  piece: (text) => ({ text }),
  whole: (text) => ({ text }),
  logprobs: (tokens) => ({
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: tokens.map(({ offset }) => offset),
  }),
  promptIdsInChoice: true,
  promptParam: 'prompt',
};
