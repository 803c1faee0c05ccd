import { FaultError } from '#lib/kernel/errors.ts';
import type { GgufMetadata } from './gguf-metadata.ts';

/** ggml's token types (llama.h `llama_token_type`). */
export const TOKEN = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

export interface GgufToken {
  readonly text: string;
  readonly type: number;
}

/**
 * The tokens of a GGUF by id.
 * @throws FaultError `package/malformed` where one comes twice or has no type.
 */
export function ggufTokens(metadata: GgufMetadata): GgufToken[] {
  const texts = metadata.strings('tokenizer.ggml.tokens');
  const types = metadata.numbers('tokenizer.ggml.token_type');
  if (types.length !== texts.length || new Set(texts).size !== texts.length) {
    throw new FaultError('package/malformed', 'tokens come twice or have no type');
  }
  return texts.map((text, id) => ({ text, type: types[id] ?? TOKEN.normal }));
}

/** Control tokens and the unknown one are special, user-defined ones merely never split. */
export const addedTokens = (tokens: readonly GgufToken[]): object[] =>
  tokens.flatMap(({ text, type }, id) => {
    const special = type === TOKEN.control || type === TOKEN.unknown;
    return special || type === TOKEN.userDefined ? [addedToken(id, text, special)] : [];
  });

const addedToken = (id: number, content: string, special: boolean) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special,
});

/** What every `tokenizer.json` has and ours leave empty. */
export const EMPTY_PARTS = {
  version: '1.0',
  truncation: null,
  padding: null,
  post_processor: null,
} as const;

/** Of a BPE model, what a GGUF cannot say. */
export const PLAIN_BPE = {
  type: 'BPE',
  dropout: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
} as const;

export const vocabOf = (tokens: readonly GgufToken[]): Record<string, number> =>
  Object.fromEntries(tokens.map(({ text }, id) => [text, id]));
