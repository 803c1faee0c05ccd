import { BPE, Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Manifest } from './manifest.ts';
import { mergeWord, readMerges } from './merge.ts';
import {
  parseTokenizer,
  tokenPieces,
  type TokenizerFile,
  type TokenPieces,
} from './token-pieces.ts';

export interface Tokenizer extends TokenPieces {
  readonly bosId: number | null;
  /** What special tokens look like in a text. */
  readonly specialTexts: readonly string[];
  /** Text of the begin and end tokens, as chat templates ask for it; '' where there is none. */
  readonly bosText: string;
  readonly eosText: string;
  /** Special tokens in the text become their ids. The begin token comes first only where asked. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Incomplete UTF-8 becomes U+FFFD. Special tokens appear unless `skipSpecial`. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  stream(options?: DecodeOptions): TokenStream;
}

export interface EncodeOptions {
  readonly addBos?: boolean;
  /** Dropped from the text, once special tokens were found in it (`literalTexts`). */
  readonly mark?: string;
}

export interface DecodeOptions {
  readonly skipSpecial?: boolean;
}

/** Text of tokens as they come; a character is given out when its last byte is there. */
export interface TokenStream {
  push(id: number): string;
  /** What is held back; the stream starts afresh. */
  flush(): string;
}

/**
 * The tokenizer of a package from the bytes of its tokenizer chunks (verified by the caller).
 * Decoding is ours, byte for byte, so that streams and whole texts are equal.
 * @throws FaultError `package/malformed`.
 */
export function loadTokenizer(
  manifest: Pick<Manifest, 'tokenizer' | 'shape'>,
  bytes: Uint8Array,
): Tokenizer {
  const file = parseTokenizer(bytes);
  const split = createBpe(file);
  const { bosId, eosIds } = manifest.tokenizer;
  const pieces = tokenPieces(manifest, file);
  const piecesOf = (id: number, options?: DecodeOptions): Uint8Array =>
    options?.skipSpecial && pieces.specialIds.has(id) ? new Uint8Array(0) : pieces.bytesOf(id);
  const textOf = (id: number | null | undefined) =>
    id === null || id === undefined ? '' : new TextDecoder().decode(pieces.bytesOf(id));
  return {
    ...pieces,
    bosId,
    bosText: textOf(bosId),
    eosText: textOf(eosIds[0]),
    specialTexts: [...pieces.specialIds].map(textOf),
    encode(text, options) {
      const ids = split(text, options?.mark ?? '');
      return options?.addBos && bosId !== null ? [bosId, ...ids] : ids;
    },
    decode(ids, options) {
      const bytes = concatBytes(ids.map((id) => piecesOf(id, options)));
      return newDecoder().decode(pieces.dropsFirstSpace ? withoutSpace(bytes) : bytes);
    },
    stream: (options) => tokenStream((id) => piecesOf(id, options), pieces),
  };
}

/** A byte order mark in an answer is text like any other. */
const newDecoder = () => new TextDecoder('utf-8', { ignoreBOM: true });

const withoutSpace = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0x20 ? bytes.subarray(1) : bytes;

function tokenStream(
  bytesOf: (id: number) => Uint8Array,
  { dropsFirstSpace }: Pick<TokenPieces, 'dropsFirstSpace'>,
): TokenStream {
  const decoder = newDecoder();
  let isFirst = true;
  return {
    push(id) {
      const bytes = bytesOf(id);
      const kept = isFirst && dropsFirstSpace ? withoutSpace(bytes) : bytes;
      isFirst &&= bytes.length === 0;
      return decoder.decode(kept, { stream: true });
    },
    flush() {
      isFirst = true;
      return decoder.decode();
    },
  };
}

/**
 * Ids of a text. The library splits it into words and finds special tokens; joining tokens is ours,
 * and so is to drop a mark, between the two.
 */
function createBpe({ tokenizer, config }: TokenizerFile): (text: string, mark: string) => number[] {
  const { vocab, merges } = tokenizer.model;
  const table = readMerges(vocab, merges, config.mergeRanks);
  let mark = '';
  const unmarked = (text: string): string => (mark === '' ? text : text.replaceAll(mark, ''));
  const created = buildBpe({ tokenizer, config }, (word) => mergeWord(table, unmarked(word)));
  const words = created.pre_tokenizer;
  if (words) {
    const cut = words.pre_tokenize_text.bind(words);
    words.pre_tokenize_text = (text, options) => cut(unmarked(text), options);
  }
  return (text, asked) => {
    mark = asked;
    return created.encode(text, { add_special_tokens: false }).ids;
  };
}

function buildBpe(
  { tokenizer, config }: TokenizerFile,
  join: (word: string) => string[],
): BpeTokenizer {
  try {
    // Its own table of merges, which nobody asks, would take as much memory again.
    const withoutMerges = { ...tokenizer, model: { ...tokenizer.model, merges: [] } };
    const created = new BpeTokenizer(withoutMerges, config);
    if (!(created.model instanceof BPE)) throw new TypeError('not BPE');
    created.model.bpe = join;
    return created;
  } catch (cause) {
    // Which step it does not know, or what is wrong with a pattern.
    const reason = cause instanceof Error ? cause.message.slice(0, 200) : 'no reason';
    throw new FaultError('package/malformed', `the tokenizer cannot be built: ${reason}`, {
      cause,
    });
  }
}
