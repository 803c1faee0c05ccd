import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import type { Reader, Writer } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import { headerBytes, readHeader, type Header } from './header.ts';
import { readSealCertificate, writeSealCertificate, type SealCertificate } from './seal.ts';

/** The end of an epoch, certified by its members, and who votes after it: never pruned. */
export interface EpochEnd {
  readonly header: Header;
  readonly certificate: SealCertificate;
  /** The next member list: its SHA-256 is the header's `nextMembersHash`. */
  readonly membership: Uint8Array;
}

/** A state that proves itself: all of it hangs on the header, and the header on q SEALs. */
export interface StateTransfer {
  readonly type: 'state';
  /** From the asker's epoch to the header's, in order. */
  readonly epochEnds: readonly EpochEnd[];
  readonly header: Header;
  readonly certificate: SealCertificate;
  /** Peaks of the mountain range under the header's `historyRoot`. */
  readonly peaks: readonly Uint8Array[];
  readonly snapshot: readonly Uint8Array[];
}

export const writeEpochEnd = (out: Writer, { header, certificate, membership }: EpochEnd): Writer =>
  writeSealCertificate(out.raw(headerBytes(header)), certificate).blob(membership);

export const readEpochEnd = (from: Reader): EpochEnd => ({
  header: readHeader(from),
  certificate: readSealCertificate(from),
  membership: from.blob(LIMITS.membershipBytesMax),
});

export const writeStateTransfer = (out: Writer, message: StateTransfer): Writer =>
  writeSealCertificate(
    out.list(message.epochEnds, writeEpochEnd).raw(headerBytes(message.header)),
    message.certificate,
  )
    .list(message.peaks, (to, peak) => to.raw(peak))
    .list(message.snapshot, (to, part) => to.blob(part));

export const readStateTransfer = (from: Reader): StateTransfer => ({
  type: 'state',
  epochEnds: from.list(LIMITS.epochEndsMax, readEpochEnd),
  header: readHeader(from),
  certificate: readSealCertificate(from),
  peaks: from.list(LIMITS.peaksMax, (each) => each.raw(HASH_BYTES)),
  snapshot: from.list(LIMITS.snapshotPartsMax, (each) => each.blob(LIMITS.frameBytesMax)),
});
