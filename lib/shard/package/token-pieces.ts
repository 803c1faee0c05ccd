import * as z from 'zod/mini';
import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { PACKAGE } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { decoderSchema, tokenDecoder, type TokenDecoder } from './token-decoder.ts';

/** What a tokenizer says of each id: all that is needed to write, and nothing to read a text. */
export interface TokenPieces {
  /** Ids of the model, padding counted. */
  readonly vocab: number;
  readonly eosIds: ReadonlySet<number>;
  /** Ids that are no text, whatever their bytes. */
  readonly specialIds: ReadonlySet<number>;
  /** The encoder puts a space before every text, which is taken away again. */
  readonly dropsFirstSpace: boolean;
  /** A token's own bytes; none for an id without a token. */
  bytesOf(id: number): Uint8Array;
}

const isTokenId = (id: unknown): boolean =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < PACKAGE.vocabMax;
const tokenId = z.custom<number>(isTokenId, 'is no token id');
/** Not by a schema of records: that passes over a token called `__proto__`. */
const isVocab = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every(isTokenId);
const vocab = z.custom<Readonly<Record<string, number>>>(isVocab, 'must map tokens to ids');
const addedToken = z.looseObject({
  id: tokenId,
  content: z.string().check(z.minLength(1), z.maxLength(1024)),
  special: z.optional(z.boolean()),
});
const fileSchema = z.object({
  tokenizer: z.looseObject({
    model: z.looseObject({
      type: z.literal('BPE'),
      vocab,
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
export type TokenizerFile = z.infer<typeof fileSchema>;

const malformed = (message: string, cause?: unknown): FaultError =>
  new FaultError('package/malformed', message, { cause });

/** The bytes of a package's tokenizer chunks, checked. @throws FaultError `package/malformed`. */
export function parseTokenizer(bytes: Uint8Array): TokenizerFile {
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

/** @throws FaultError `package/malformed`, `package/unsupported`. */
export function tokenPieces(
  manifest: Pick<Manifest, 'tokenizer' | 'shape'>,
  file: TokenizerFile,
): TokenPieces {
  const { vocab } = manifest.shape;
  const decoder = tokenDecoder(file.tokenizer.decoder);
  const pieces = decodePieces(file, decoder, vocab);
  const special = file.tokenizer.added_tokens.filter((token) => token.special);
  return {
    vocab,
    eosIds: new Set(manifest.tokenizer.eosIds),
    specialIds: new Set(special.map((token) => token.id)),
    dropsFirstSpace: decoder.dropsFirstSpace,
    bytesOf: (id) => pieces[id] ?? new Uint8Array(0),
  };
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
