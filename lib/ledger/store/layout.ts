import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { headerBytes, readHeader, type Header } from '#lib/ledger/pbft/messages/header.ts';
import {
  readSealCertificate,
  writeSealCertificate,
  type SealCertificate,
} from '#lib/ledger/pbft/messages/seal.ts';
import {
  readEpochEnd,
  writeEpochEnd,
  type EpochEnd,
} from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { StateTie } from './judge.ts';

/** Values in the database. Each begins with its version. */
const VERSION = 1;

/** A block as this replica executed it. */
export interface StoredBlock {
  readonly header: Header;
  readonly batch: Uint8Array;
  /** One for each request of the batch. */
  readonly results: readonly Uint8Array[];
  /** This replica's SEAL, a message; empty where it only follows. */
  readonly seal: Uint8Array;
}

export const encodeBlock = ({ header, batch, results, seal }: StoredBlock): Uint8Array =>
  new Writer()
    .u8(VERSION)
    .raw(headerBytes(header))
    .blob(batch)
    .list(results, (out, each) => out.blob(each))
    .blob(seal)
    .done();

/** Never throws: disks lie, too. */
export const decodeBlock = (bytes: Uint8Array): StoredBlock | FaultError =>
  decoded(bytes, (from) => ({
    header: readHeader(from),
    batch: from.blob(LIMITS.batchBytesMax),
    results: from.list(0xffff, (each) => each.blob(LIMITS.batchBytesMax)),
    seal: from.blob(LIMITS.requestBytesMax),
  }));

/** A stable state without its parts, which are kept by their hashes: most of them stay as they are. */
export interface StateIndex extends StateTie {
  readonly header: Header;
  readonly certificate: SealCertificate;
  readonly peaks: readonly Uint8Array[];
  readonly epochEnds: readonly EpochEnd[];
  readonly partHashes: readonly Uint8Array[];
}

export const encodeState = (index: StateIndex): Uint8Array =>
  writeSealCertificate(
    new Writer()
      .u8(VERSION)
      .u64(index.recordId)
      .u64(index.toldAgainId)
      .raw(index.logKey)
      .raw(headerBytes(index.header)),
    index.certificate,
  )
    .list(index.peaks, (out, peak) => out.raw(peak))
    .list(index.epochEnds, writeEpochEnd)
    .list(index.partHashes, (out, hash) => out.raw(hash))
    .done();

export const decodeState = (bytes: Uint8Array): StateIndex | FaultError =>
  decoded(bytes, (from) => {
    const recordId = from.u64();
    const toldAgainId = from.u64();
    const logKey = from.raw(HASH_BYTES);
    const header = readHeader(from);
    return {
      ...{ recordId, toldAgainId, logKey, header, sequence: header.sequence },
      certificate: readSealCertificate(from),
      peaks: from.list(LIMITS.peaksMax, (each) => each.raw(HASH_BYTES)),
      epochEnds: from.list(LIMITS.epochEndsMax, readEpochEnd),
      partHashes: from.list(LIMITS.snapshotPartsMax, (each) => each.raw(HASH_BYTES)),
    };
  });

export const encodeCertificate = (certificate: SealCertificate): Uint8Array =>
  writeSealCertificate(new Writer().u8(VERSION), certificate).done();

export const decodeCertificate = (bytes: Uint8Array): SealCertificate | FaultError =>
  decoded(bytes, readSealCertificate);

function decoded<T>(bytes: Uint8Array, read: (from: Reader) => T): T | FaultError {
  try {
    const from = new Reader(plain(bytes));
    if (from.u8() !== VERSION) throw malformed('a value of another version');
    const value = read(from);
    from.end();
    return value;
  } catch (error) {
    if (isFault(error)) return error;
    return toFault(error, 'wire/malformed');
  }
}

/** A Buffer's `slice` does not copy: what leaves the database is bytes like all others. */
export const plain = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length);
