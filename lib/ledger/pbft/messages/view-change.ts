import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { SIGNATURE_BYTES } from '#lib/ledger/crypto/ed25519/rule.ts';
import { Writer, ascending, type Reader } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { readSealCertificate, writeSealCertificate, type SealCertificate } from './seal.ts';
import { readSigned, writeSigned, type Signed, type VoteBody } from './vote.ts';

/** PRE-PREPARE and q − 1 PREPAREs of distinct others with the same (epoch, view, n, digest). */
export interface PreparedCertificate extends Omit<VoteBody, 'replica'> {
  readonly proposal: Signed;
  readonly prepares: readonly Signed[];
}

export function writePrepared(out: Writer, certificate: PreparedCertificate): Writer {
  const { epoch, view, sequence, digest, proposal, prepares } = certificate;
  out.u64(epoch).u64(view).u64(sequence).raw(digest);
  return writeSigned(out, proposal).list(prepares, writeSigned);
}

export const readPrepared = (from: Reader): PreparedCertificate => ({
  epoch: from.u64(),
  view: from.u64(),
  sequence: from.u64(),
  digest: from.raw(HASH_BYTES),
  proposal: readSigned(from),
  prepares: ascending(from.list(REPLICAS_MAX, readSigned), ({ replica }) => replica),
});

/** "I vote in no view below this one, and this is what I have prepared." */
export interface ViewChange extends Signed {
  readonly type: 'view-change';
  readonly epoch: number;
  readonly view: number;
  /** The highest proven checkpoint; no seals where it is the epoch's beginning, which all know. */
  readonly checkpoint: SealCertificate;
  /** Of every slot above it that ever prepared here, the certificate of the highest view. */
  readonly prepared: readonly PreparedCertificate[];
}

export const viewChangeBody = (message: Omit<ViewChange, 'type' | 'signature'>): Uint8Array =>
  writeSealCertificate(
    new Writer().u64(message.epoch).u64(message.view).u16(message.replica),
    message.checkpoint,
  )
    .list(message.prepared, writePrepared)
    .done();

export const writeViewChange = (out: Writer, message: ViewChange): Writer =>
  out.raw(viewChangeBody(message)).raw(message.signature);

export const readViewChange = (from: Reader): ViewChange => ({
  type: 'view-change',
  epoch: from.u64(),
  view: from.u64(),
  replica: from.u16(),
  checkpoint: readSealCertificate(from),
  prepared: ascending(from.list(LIMITS.logWindowMax, readPrepared), ({ sequence }) => sequence),
  signature: from.raw(SIGNATURE_BYTES),
});
