import type { Reader, Writer } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import { readVote, writeVote, type Vote } from './vote.ts';

/** The primary's proposal: its signed vote, and the batch that the digest in it binds. */
export interface PrePrepare {
  readonly type: 'pre-prepare';
  readonly vote: Vote & { readonly type: 'pre-prepare' };
  readonly batch: Uint8Array;
}

export const writePrePrepare = (out: Writer, { vote, batch }: PrePrepare): Writer =>
  writeVote(out, vote).blob(batch);

export const readPrePrepare = (from: Reader): PrePrepare => ({
  type: 'pre-prepare',
  vote: readVote(from, 'pre-prepare'),
  batch: from.blob(LIMITS.batchBytesMax),
});
