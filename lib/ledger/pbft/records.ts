import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import { unreachable } from '#lib/kernel/assert.ts';
import { PUBLIC_KEY_BYTES } from '#lib/ledger/crypto/ed25519/rule.ts';
import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, malformed } from './codec/bytes.ts';
import { LIMITS } from './limits.ts';
import { readNewView, writeNewView, type NewView } from './messages/new-view.ts';
import { readPrePrepare, writePrePrepare, type PrePrepare } from './messages/pre-prepare.ts';
import {
  readSealCertificate,
  writeSealCertificate,
  type SealCertificate,
} from './messages/seal.ts';
import {
  readPrepared,
  readViewChange,
  writePrepared,
  writeViewChange,
  type PreparedCertificate,
  type ViewChange,
} from './messages/view-change.ts';

/** What goes to disk before a vote leaves (R10). */
export type LogRecord =
  /** Own PRE-PREPARE. */
  | { readonly type: 'propose'; readonly message: PrePrepare }
  /** Own PREPARE: the proposal and the batch it is for. */
  | { readonly type: 'prepare'; readonly message: PrePrepare }
  /** Own COMMIT: what prepared. */
  | { readonly type: 'commit'; readonly certificate: PreparedCertificate }
  | { readonly type: 'view-change'; readonly message: ViewChange }
  | { readonly type: 'new-view'; readonly message: NewView }
  /** Nothing before it is needed any more. */
  | {
      readonly type: 'stable';
      readonly certificate: SealCertificate;
      readonly epoch: number;
      readonly view: number;
    }
  /** An earlier log of this vote key was lost: it signs never again, however whole this one is. */
  | { readonly type: 'amnesia'; readonly publicKey: Uint8Array }
  /** Own CHECKPOINT: how to come to its state again from the checkpoint before. */
  | CheckpointRecord
  /** A batch that a `checkpoint` record names and no vote of ours holds. */
  | {
      readonly type: 'batch';
      readonly epoch: number;
      readonly sequence: number;
      readonly batch: Uint8Array;
    };

export interface CheckpointRecord {
  readonly type: 'checkpoint';
  readonly epoch: number;
  readonly sequence: number;
  readonly headerHash: Uint8Array;
  /** Of the batches up to `sequence`, in order: as they were executed. */
  readonly digests: readonly Uint8Array[];
}

const NUMBERS = {
  propose: 1,
  prepare: 2,
  commit: 3,
  'view-change': 4,
  'new-view': 5,
  stable: 6,
  amnesia: 7,
  checkpoint: 8,
  batch: 9,
} as const;

export function encodeRecord(record: LogRecord): Uint8Array {
  const out = new Writer().u8(NUMBERS[record.type]);
  switch (record.type) {
    case 'propose':
    case 'prepare':
      return writePrePrepare(out, record.message).done();
    case 'commit':
      return writePrepared(out, record.certificate).done();
    case 'view-change':
      return writeViewChange(out, record.message).done();
    case 'new-view':
      return writeNewView(out, record.message).done();
    case 'stable':
      return writeSealCertificate(out, record.certificate)
        .u64(record.epoch)
        .u64(record.view)
        .done();
    case 'amnesia':
      return out.raw(record.publicKey).done();
    case 'checkpoint':
      return out
        .u64(record.epoch)
        .u64(record.sequence)
        .raw(record.headerHash)
        .list(record.digests, (to, digest) => to.raw(digest))
        .done();
    case 'batch':
      return out.u64(record.epoch).u64(record.sequence).blob(record.batch).done();
    default:
      return unreachable(record);
  }
}

/** Never throws: disks lie, too. */
export function decodeRecord(bytes: Uint8Array): LogRecord | FaultError {
  try {
    const from = new Reader(bytes);
    const record = readRecord(from, from.u8());
    if (!isFault(record)) from.end();
    return record;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

function readRecord(from: Reader, number: number): LogRecord | FaultError {
  switch (number) {
    case NUMBERS.propose:
      return { type: 'propose', message: readPrePrepare(from) };
    case NUMBERS.prepare:
      return { type: 'prepare', message: readPrePrepare(from) };
    case NUMBERS.commit:
      return { type: 'commit', certificate: readPrepared(from) };
    case NUMBERS['view-change']:
      return { type: 'view-change', message: readViewChange(from) };
    case NUMBERS['new-view']:
      return { type: 'new-view', message: readNewView(from) };
    case NUMBERS.stable:
      return {
        type: 'stable',
        certificate: readSealCertificate(from),
        epoch: from.u64(),
        view: from.u64(),
      };
    case NUMBERS.amnesia:
      return { type: 'amnesia', publicKey: from.raw(PUBLIC_KEY_BYTES) };
    case NUMBERS.checkpoint:
      return {
        type: 'checkpoint',
        epoch: from.u64(),
        sequence: from.u64(),
        headerHash: from.raw(HASH_BYTES),
        digests: from.list(LIMITS.logWindowMax, (each) => each.raw(HASH_BYTES)),
      };
    case NUMBERS.batch:
      return {
        type: 'batch',
        epoch: from.u64(),
        sequence: from.u64(),
        batch: from.blob(LIMITS.batchBytesMax),
      };
    default:
      return malformed('a record of an unknown type');
  }
}
