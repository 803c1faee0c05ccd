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

/** A state that proves itself: all of it hangs on the header, and the header on q SEALs. Its parts come in pieces. */
export interface StateTransfer {
  readonly type: 'state';
  /** From the asker's epoch to the header's, in order. */
  readonly epochEnds: readonly EpochEnd[];
  readonly header: Header;
  readonly certificate: SealCertificate;
  /** Peaks of the mountain range under the header's `historyRoot`. */
  readonly peaks: readonly Uint8Array[];
  /** SHA-256 of each part: what they make together, the header's `stateRoot` says. */
  readonly partHashes: readonly Uint8Array[];
  /** The first piece: parts from the first on. */
  readonly parts: readonly Uint8Array[];
}

/** Asks for a piece of the state at `sequence`, from this part on. */
export interface FetchParts {
  readonly type: 'fetch-parts';
  readonly sequence: number;
  readonly from: number;
}

/** Parts in a row, as many as a piece holds. */
export interface Parts {
  readonly type: 'parts';
  readonly sequence: number;
  readonly from: number;
  readonly parts: readonly Uint8Array[];
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
    .list(message.partHashes, (to, hash) => to.raw(hash))
    .list(message.parts, writePart);

export const readStateTransfer = (from: Reader): StateTransfer => ({
  type: 'state',
  epochEnds: from.list(LIMITS.epochEndsMax, readEpochEnd),
  header: readHeader(from),
  certificate: readSealCertificate(from),
  peaks: from.list(LIMITS.peaksMax, (each) => each.raw(HASH_BYTES)),
  partHashes: from.list(LIMITS.snapshotPartsMax, (each) => each.raw(HASH_BYTES)),
  parts: from.list(LIMITS.snapshotPartsMax, readPart),
});

const writePart = (to: Writer, part: Uint8Array): Writer => to.blob(part);
const readPart = (from: Reader): Uint8Array => from.blob(LIMITS.partBytesMax);

export const writeFetchParts = (out: Writer, { sequence, from }: FetchParts): Writer =>
  out.u64(sequence).u16(from);
export const readFetchParts = (from: Reader): FetchParts => ({
  type: 'fetch-parts',
  sequence: from.u64(),
  from: from.u16(),
});

export const writeParts = (out: Writer, { sequence, from, parts }: Parts): Writer =>
  out.u64(sequence).u16(from).list(parts, writePart);
export const readParts = (from: Reader): Parts => ({
  type: 'parts',
  sequence: from.u64(),
  from: from.u16(),
  parts: from.list(LIMITS.snapshotPartsMax, readPart),
});
