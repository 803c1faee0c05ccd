import { unreachable } from '#lib/kernel/assert.ts';
import { toFault, type FaultError } from '#lib/kernel/errors.ts';
import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, ascending, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { readEvidence, writeEvidence } from '#lib/ledger/pbft/messages/evidence.ts';
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
import { readSigned, writeSigned } from '#lib/ledger/pbft/messages/vote.ts';
import { REPLICAS_MAX } from '#lib/ledger/pbft/quorum.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { CLIENT_LIMITS, CLIENT_TIMES } from '../limits.ts';
import { refusalAt, refusalByte, type Refusal } from './codes.ts';

/** SEALs of one header, of one member at least and not always of q: what the sender has of them. */
export type SealSet = SealCertificate;

/** What a replica, or who passes on for replicas, answers. */
export type Answer = { readonly tag: number } & Reply;

/** What a frame answers, whatever its tag. */
export type Reply =
  Executed | RecordsAnswer | Blocks | EpochEnds | History | Status | EvidencePiece | Refused;

/** A header with SEALs: of this header, and of others of the last blocks. Any order, each header once. */
export interface Sealed {
  readonly header: Header;
  readonly seals: readonly SealSet[];
}

/** One transaction in its block: `result` is the leaf at `index` of `count` under the results root. */
export interface Executed extends Sealed {
  readonly type: 'executed';
  /** As `resultBytes` of lib/ledger/account: id, sequence, code. 41 bytes. */
  readonly result: Uint8Array;
  readonly index: number;
  readonly count: number;
  /** Siblings, the nearest first. */
  readonly path: readonly Uint8Array[];
}

/** A value under the header's state root, or that there is none, as `prove` of lib/ledger/account. */
export interface ProvenRecord {
  readonly value: Uint8Array | null;
  readonly proof: Uint8Array;
}

/** To READ: one for each key, in order. To OPEN-HOLDS: those there are, fewer than a page at the end. */
export interface RecordsAnswer extends Sealed {
  readonly type: 'records';
  readonly records: readonly ProvenRecord[];
}

/** A block as anybody may pass it on. */
export interface ChainBlock {
  readonly header: Header;
  /** The header's: a replica's own, all q at a checkpoint, none where it has none. */
  readonly seals: SealSet['seals'];
  readonly batch: Uint8Array;
  /** The leaves of the results root. */
  readonly results: readonly Uint8Array[];
}

/** Blocks one after the other. */
export interface Blocks {
  readonly type: 'blocks';
  readonly blocks: readonly ChainBlock[];
}

export interface EpochEnds {
  readonly type: 'epoch-ends';
  readonly ends: readonly EpochEnd[];
}

export interface History {
  readonly type: 'history';
  readonly path: readonly Uint8Array[];
}

/** Where one replica stands: its own word. */
export interface Status {
  readonly type: 'status';
  readonly chain: Uint8Array;
  readonly epoch: number;
  readonly view: number;
  readonly executed: number;
  readonly stable: number;
  /** The lowest sequence whose block it can give. */
  readonly firstBlock: number;
  /** Ledger time of its head. */
  readonly timeMs: number;
  /** Other members that it hears. */
  readonly peers: number;
}

/** One piece of what this replica holds against others. It proves itself to who knows the epoch's keys. */
export interface EvidencePiece {
  readonly type: 'evidence';
  /** Pieces that it has. */
  readonly count: number;
  readonly evidence: Evidence;
}

export interface Refused {
  readonly type: 'refused';
  readonly code: Refusal;
  /** 0 where it says nothing about when. */
  readonly retryAfterMs: number;
}

/** id u256, sequence u64, code u8. */
export const RESULT_BYTES = 41;

type AnswerType = Answer['type'];

/** First byte of an answer. Numbers are never given anew. */
const NUMBERS: Readonly<Record<AnswerType, number>> = {
  executed: 129,
  records: 130,
  blocks: 131,
  'epoch-ends': 132,
  history: 133,
  status: 134,
  refused: 135,
  evidence: 136,
};

const TYPES = new Map(
  (Object.keys(NUMBERS) as AnswerType[]).map((type) => [NUMBERS[type], type] as const),
);

export function encodeAnswer(answer: Answer): Uint8Array {
  const out = new Writer().u8(NUMBERS[answer.type]).u32(answer.tag);
  return written(out, answer).done();
}

const writeHash = (out: Writer, hash: Uint8Array): Writer => out.raw(hash);

const writeSealed = (out: Writer, { header, seals }: Sealed): Writer =>
  out.raw(headerBytes(header)).list(seals, writeSealCertificate);

function written(out: Writer, answer: Answer): Writer {
  switch (answer.type) {
    case 'executed':
      return writeSealed(out, answer)
        .raw(answer.result)
        .u32(answer.index)
        .u32(answer.count)
        .list(answer.path, writeHash);
    case 'records':
      return writeSealed(out, answer).list(answer.records, writeRecord);
    case 'blocks':
      return out.list(answer.blocks, writeBlock);
    case 'epoch-ends':
      return out.list(answer.ends, writeEpochEnd);
    case 'history':
      return out.list(answer.path, writeHash);
    case 'status':
      return out
        .raw(answer.chain)
        .u64(answer.epoch)
        .u64(answer.view)
        .u64(answer.executed)
        .u64(answer.stable)
        .u64(answer.firstBlock)
        .u64(answer.timeMs)
        .u16(answer.peers);
    case 'evidence':
      return writeEvidence(out.u16(answer.count), answer.evidence);
    case 'refused':
      return out.u8(refusalByte(answer.code)).u32(answer.retryAfterMs);
    default:
      return unreachable(answer);
  }
}

const writeRecord = (out: Writer, { value, proof }: ProvenRecord): Writer =>
  (value === null ? out.u8(0) : out.u8(1).blob(value)).blob(proof);

const writeBlock = (out: Writer, block: ChainBlock): Writer =>
  out
    .raw(headerBytes(block.header))
    .list(block.seals, writeSigned)
    .blob(block.batch)
    .list(block.results, (to, result) => to.raw(result));

/** Any bytes as an answer, or what is wrong with them: never throws. Nothing in it is verified yet. */
export function decodeAnswer(bytes: Uint8Array): Answer | FaultError {
  if (bytes.length > CLIENT_LIMITS.answerBytesMax) return malformed('an answer is too long');
  try {
    const from = new Reader(bytes);
    const type = TYPES.get(from.u8());
    if (type === undefined) throw malformed('an answer of an unknown type');
    const answer = { tag: from.u32(), ...read(from, type) };
    from.end();
    return answer;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

const readHash = (from: Reader): Uint8Array => from.raw(HASH_BYTES);

const readSealed = (from: Reader): Sealed => ({
  header: readHeader(from),
  seals: from.list(CLIENT_LIMITS.sealSetsMax, readSealCertificate),
});

function read(from: Reader, type: AnswerType): Reply {
  switch (type) {
    case 'executed':
      return {
        type,
        ...readSealed(from),
        result: from.raw(RESULT_BYTES),
        index: from.u32(),
        count: from.u32(),
        path: from.list(CLIENT_LIMITS.pathMax, readHash),
      };
    case 'records':
      return { type, ...readSealed(from), records: from.list(CLIENT_LIMITS.keysMax, readRecord) };
    case 'blocks':
      return { type, blocks: from.list(CLIENT_LIMITS.blocksMax, readBlock) };
    case 'epoch-ends':
      return { type, ends: from.list(CLIENT_LIMITS.epochEndsMax, readEpochEnd) };
    case 'history':
      return { type, path: from.list(CLIENT_LIMITS.pathMax, readHash) };
    case 'status':
      return readStatus(from);
    case 'evidence':
      return { type, count: from.u16(), evidence: readEvidence(from) };
    case 'refused':
      return { type, code: refusalAt(from.u8()), retryAfterMs: readRetryAfter(from) };
    default:
      return unreachable(type);
  }
}

/** A timer of more than 2³¹ ms fires at once: a liar would be asked without end. */
function readRetryAfter(from: Reader): number {
  const ms = from.u32();
  if (ms > CLIENT_TIMES.retryAfterMsMax) throw malformed('a refusal for too long');
  return ms;
}

const readStatus = (from: Reader): Status => ({
  type: 'status',
  chain: from.raw(HASH_BYTES),
  epoch: from.u64(),
  view: from.u64(),
  executed: from.u64(),
  stable: from.u64(),
  firstBlock: from.u64(),
  timeMs: from.u64(),
  peers: from.u16(),
});

function readRecord(from: Reader): ProvenRecord {
  const flag = from.u8();
  if (flag > 1) throw malformed('a flag is 0 or 1');
  return {
    value: flag === 1 ? from.blob(CLIENT_LIMITS.recordBytesMax) : null,
    proof: from.blob(CLIENT_LIMITS.proofBytesMax),
  };
}

function readBlock(from: Reader): ChainBlock {
  const header = readHeader(from);
  return {
    header,
    seals: ascending(from.list(REPLICAS_MAX, readSigned), ({ replica }) => replica),
    batch: from.blob(LIMITS.batchBytesMax),
    results: from.list(CLIENT_LIMITS.resultsMax, (each) => each.raw(RESULT_BYTES)),
  };
}
