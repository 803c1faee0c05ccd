import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { SIGNATURE_BYTES } from '#lib/ledger/crypto/ed25519/rule.ts';
import { Writer, type Reader } from '../codec/bytes.ts';

/** One phase of one slot. All three sign the same fields, each under its own domain. */
export const VOTE_TYPES = ['pre-prepare', 'prepare', 'commit'] as const;
export type VoteType = (typeof VOTE_TYPES)[number];

/** What a vote says; its body on the wire is 58 bytes in this order. */
export interface VoteBody {
  readonly epoch: number;
  readonly view: number;
  readonly sequence: number;
  /** Of the batch: what the application's `checkBatch` gives for its bytes, 32 bytes. */
  readonly digest: Uint8Array;
  /** Who votes: index in the epoch's member list. */
  readonly replica: number;
}

export interface Vote extends VoteBody {
  readonly type: VoteType;
  readonly signature: Uint8Array;
}

export const voteBodyBytes = ({ epoch, view, sequence, digest, replica }: VoteBody): Uint8Array =>
  new Writer().u64(epoch).u64(view).u64(sequence).raw(digest).u16(replica).done();

export const writeVote = (out: Writer, vote: Vote): Writer =>
  out.raw(voteBodyBytes(vote)).raw(vote.signature);

export const readVote = <T extends VoteType>(from: Reader, type: T): Vote & { type: T } => ({
  type,
  epoch: from.u64(),
  view: from.u64(),
  sequence: from.u64(),
  digest: from.raw(HASH_BYTES),
  replica: from.u16(),
  signature: from.raw(SIGNATURE_BYTES),
});

/** A signature and whose it is, where the rest of a vote is known. */
export interface Signed {
  readonly replica: number;
  readonly signature: Uint8Array;
}

export const writeSigned = (out: Writer, { replica, signature }: Signed): Writer =>
  out.u16(replica).raw(signature);

export const readSigned = (from: Reader): Signed => ({
  replica: from.u16(),
  signature: from.raw(SIGNATURE_BYTES),
});

export const signed = ({ replica, signature }: Signed): Signed => ({ replica, signature });

/** Who signed one body, ascending: the only order that decodes (R2). */
export const inOrder = (all: readonly Signed[]): Signed[] =>
  all.map(signed).sort((a, b) => a.replica - b.replica);
