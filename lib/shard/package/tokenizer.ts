import { BPE, Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import * as z from 'zod/mini';
import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { PACKAGE } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { mergeWord, readMerges } from './merge.ts';
import { decoderSchema, tokenDecoder, type TokenDecoder } from './token-decoder.ts';

export interface Tokenizer {
  readonly vocab: number;
  readonly bosId: number | null;
  readonly eosIds: ReadonlySet<number>;
  /** Text of the begin and end tokens, as chat templates ask for it; '' where there is none. */
  readonly bosText: string;
  readonly eosText: string;
  /** Special tokens in the text become their ids. The begin token comes first only where asked. */
  encode(text: string, options?: { readonly addBos?: boolean }): number[];
  /** Incomplete UTF-8 becomes U+FFFD. Special tokens appear unless `skipSpecial`. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  stream(options?: DecodeOptions): TokenStream;
  /** A token's own bytes; none for an id without a token. */
  bytesOf(id: number): Uint8Array;
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

const tokenId = z.number().check(z.int(), z.gte(0), z.lt(PACKAGE.vocabMax));
const addedToken = z.looseObject({
  id: tokenId,
  content: z.string().check(z.minLength(1), z.maxLength(1024)),
  special: z.optional(z.boolean()),
});
const fileSchema = z.object({
  tokenizer: z.looseObject({
    model: z.looseObject({
      type: z.literal('BPE'),
      vocab: z.record(z.string(), tokenId),
      merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    }),
    decoder: decoderSchema,
    added_tokens: z.array(addedToken),
  }),
  config: z.looseObject({
    /** Ours, of SentencePiece: ranks of the merges, in step with them. */
    mergeRanks: z.optional(z.array(z.number().check(z.int(), z.gte(0), z.lt(2 ** 31)))),
  }),
});
type TokenizerFile = z.infer<typeof fileSchema>;

const malformed = (message: string, cause?: unknown): FaultError =>
  new FaultError('package/malformed', message, { cause });

/**
 * The tokenizer of a package from the bytes of its tokenizer chunks (verified by the caller).
 * Decoding is ours, byte for byte, so that streams and whole texts are equal.
 * @throws FaultError `package/malformed`.
 */
export function loadTokenizer(
  manifest: Pick<Manifest, 'tokenizer' | 'shape'>,
  bytes: Uint8Array,
): Tokenizer {
  const file = parseFile(bytes);
  const bpe = createBpe(file);
  const { vocab } = manifest.shape;
  const { bosId, eosIds } = manifest.tokenizer;
  const decoder = tokenDecoder(file.tokenizer.decoder);
  const pieces = decodePieces(file, decoder, vocab);
  const isSpecial = specialIds(file);
  const piecesOf = (id: number, options?: DecodeOptions): Uint8Array =>
    (options?.skipSpecial && isSpecial.has(id) ? undefined : pieces[id]) ?? new Uint8Array(0);
  const textOf = (id: number | null | undefined) =>
    new TextDecoder().decode(
      (id === null || id === undefined ? undefined : pieces[id]) ?? new Uint8Array(0),
    );
  return {
    vocab,
    bosId,
    eosIds: new Set(eosIds),
    bosText: textOf(bosId),
    eosText: textOf(eosIds[0]),
    encode(text, options) {
      const { ids } = bpe.encode(text, { add_special_tokens: false });
      return options?.addBos && bosId !== null ? [bosId, ...ids] : ids;
    },
    decode(ids, options) {
      const bytes = concatBytes(ids.map((id) => piecesOf(id, options)));
      return newDecoder().decode(decoder.dropsFirstSpace ? withoutSpace(bytes) : bytes);
    },
    stream: (options) => tokenStream((id) => piecesOf(id, options), decoder),
    bytesOf: (id) => piecesOf(id),
  };
}

/** A byte order mark in an answer is text like any other. */
const newDecoder = () => new TextDecoder('utf-8', { ignoreBOM: true });

const withoutSpace = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0x20 ? bytes.subarray(1) : bytes;

function tokenStream(
  bytesOf: (id: number) => Uint8Array,
  { dropsFirstSpace }: TokenDecoder,
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

function parseFile(bytes: Uint8Array): TokenizerFile {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed('the tokenizer is not JSON', cause);
  }
  const parsed = fileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw malformed(`tokenizer ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

/** The library splits text into words and finds special tokens; joining tokens is ours. */
function createBpe({ tokenizer, config }: TokenizerFile): BpeTokenizer {
  const { vocab, merges } = tokenizer.model;
  const table = readMerges(vocab, merges, config.mergeRanks);
  try {
    const created = new BpeTokenizer(tokenizer, config);
    if (!(created.model instanceof BPE)) throw new TypeError('not BPE');
    created.model.bpe = (word) => mergeWord(table, word);
    return created;
  } catch (cause) {
    throw malformed('the tokenizer cannot be built', cause);
  }
}

function specialIds({ tokenizer }: TokenizerFile): ReadonlySet<number> {
  return new Set(tokenizer.added_tokens.filter((token) => token.special).map((token) => token.id));
}

/**
 * Bytes by id; ids without a token (a padded embedding) have none.
 * @throws FaultError `package/malformed` where two tokens have one id, or one beyond the vocabulary.
 */
function decodePieces(
  { tokenizer }: TokenizerFile,
  decoder: TokenDecoder,
  vocab: number,
): (Uint8Array | undefined)[] {
  const pieces = new Array<Uint8Array | undefined>(vocab);
  const put = (id: number, bytes: Uint8Array) => {
    if (!Number.isInteger(id) || id < 0 || id >= vocab) throw malformed(`token ${id} of ${vocab}`);
    pieces[id] = bytes;
  };
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) {
    if (pieces[id]) throw malformed(`two tokens have the id ${id}`);
    put(id, decoder.bytesOf(token));
  }
  for (const { id, content } of tokenizer.added_tokens) put(id, utf8(content));
  return pieces;
}
