import * as z from 'zod/mini';
import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { tokenBytes } from './byte-level.ts';

/** How the texts of tokens become the bytes of an answer. */
export interface TokenDecoder {
  /** Bytes of a token of the vocabulary. */
  bytesOf(token: string): Uint8Array<ArrayBuffer>;
  /** The encoder puts a space before every text, which is taken away again. */
  readonly dropsFirstSpace: boolean;
}

const stepSchema = z.looseObject({ type: z.string().check(z.maxLength(64)) });
export const decoderSchema = z.looseObject({
  type: z.string().check(z.maxLength(64)),
  decoders: z.optional(z.array(stepSchema).check(z.maxLength(16))),
});
type DecoderJson = z.infer<typeof decoderSchema>;
type Step = z.infer<typeof stepSchema>;

const BYTE_LEVEL: TokenDecoder = {
  bytesOf: (token) => tokenBytes(token) ?? utf8(token),
  dropsFirstSpace: false,
};

/**
 * The decoder of a `tokenizer.json`: byte-level, or SentencePiece's steps.
 * @throws FaultError `package/unsupported` naming another.
 */
export function tokenDecoder(json: DecoderJson): TokenDecoder {
  if (json.type === 'ByteLevel') return BYTE_LEVEL;
  const steps = json.type === 'Sequence' ? (json.decoders ?? []) : [json];
  const other = steps.find((step) => !isSentencePieceStep(step));
  if (other || !steps.some(({ type }) => type === 'ByteFallback')) {
    throw new FaultError('package/unsupported', `tokenizer decoder ${(other ?? json).type}`);
  }
  const dropsFirstSpace = steps.some(({ type }) => type === 'Strip');
  return { bytesOf: pieceBytes, dropsFirstSpace };
}

/** Only the steps whose settings are SentencePiece's own: any other would change the text. */
function isSentencePieceStep(step: Step): boolean {
  switch (step.type) {
    case 'Replace':
      return step['content'] === ' ' && isSpacePattern(step['pattern']);
    case 'Strip':
      return step['content'] === ' ' && step['start'] === 1 && step['stop'] === 0;
    default:
      return step.type === 'ByteFallback' || step.type === 'Fuse';
  }
}

const isSpacePattern = (pattern: unknown): boolean =>
  z.object({ String: z.literal('▁') }).safeParse(pattern).success;

const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;

function pieceBytes(piece: string): Uint8Array<ArrayBuffer> {
  const byte = BYTE_TOKEN.exec(piece)?.[1];
  return byte === undefined ? utf8(piece.replaceAll('▁', ' ')) : Uint8Array.of(parseInt(byte, 16));
}
