import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { decodeAnswer, encodeAnswer, type Reply } from './wire/answers.ts';
import { decodeRequest, encodeRequest, type Question } from './wire/requests.ts';

/** A question and what was answered: what somebody else can verify without asking again. */
export interface Exchange {
  readonly question: Question;
  readonly reply: Reply;
}

const MAGIC = utf8('declai/ledger/transcript/1\0');
const LENGTH_BYTES = 4;
const EXCHANGES_MAX = 65_536;

/** A file of exchanges: the magic, then request and answer by turns, each a u32 length and its frame. */
export function writeTranscript(exchanges: readonly Exchange[]): Uint8Array {
  const parts: Uint8Array[] = [MAGIC];
  for (const [i, { question, reply }] of exchanges.entries()) {
    const tag = i + 1;
    for (const frame of [encodeRequest({ ...question, tag }), encodeAnswer({ ...reply, tag })]) {
      const length = new Uint8Array(LENGTH_BYTES);
      new DataView(length.buffer).setUint32(0, frame.length);
      parts.push(length, frame);
    }
  }
  return concatBytes(parts);
}

const malformed = (what: string): FaultError => new FaultError('wire/malformed', what);

/** @throws FaultError wire/malformed */
export function readTranscript(bytes: Uint8Array): readonly Exchange[] {
  if (!bytesEqual(bytes.subarray(0, MAGIC.length), MAGIC)) {
    throw malformed('no transcript of a ledger, or one of another version');
  }
  const exchanges: Exchange[] = [];
  let at = MAGIC.length;
  const frame = (bytesMax: number): Uint8Array => {
    if (at + LENGTH_BYTES > bytes.length) throw malformed('the transcript ends within a frame');
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    at += LENGTH_BYTES;
    if (length > bytesMax || length > bytes.length - at) {
      throw malformed('a frame is longer than what there is of it');
    }
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const question = decodeRequest(frame(CLIENT_LIMITS.requestBytesMax));
    if (isFault(question)) throw question;
    const reply = decodeAnswer(frame(CLIENT_LIMITS.answerBytesMax));
    if (isFault(reply)) throw reply;
    exchanges.push({ question, reply });
    const tag = exchanges.length;
    if (question.tag !== tag || reply.tag !== tag) throw malformed('frames are out of order');
    if (tag > EXCHANGES_MAX) throw malformed('a transcript is too long');
  }
  return exchanges;
}
