import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import { EMPTY_RANGE, rangeRoot } from '#lib/ledger/crypto/mountain-range.ts';
import { HASH_BYTES, ZERO_HASH, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Writer, malformed, type Reader } from '../codec/bytes.ts';

/**
 * What execution says of one block. It holds no view, certificate or replica: a batch committed in two
 * different views gives the same bytes.
 */
export interface Header {
  readonly chain: Uint8Array;
  readonly epoch: number;
  readonly sequence: number;
  readonly prevHeaderHash: Uint8Array;
  /** Ledger time: max(the block before, the batch's), milliseconds since 1970. */
  readonly timeMs: number;
  readonly batchDigest: Uint8Array;
  readonly resultsRoot: Uint8Array;
  readonly stateRoot: Uint8Array;
  /** Root of the mountain range of all earlier headers' hashes. */
  readonly historyRoot: Uint8Array;
  /** SHA-256 of the member list that votes on the next block. */
  readonly nextMembersHash: Uint8Array;
  /** Zeros until Proof of Inference. */
  readonly beacon: Uint8Array;
}

const VERSION = 2;

/** Of a header that is hashed, stored, and told to each client of its block. */
const written = new WeakMap<Header, Uint8Array>();

/** 281 bytes. */
export function headerBytes(header: Header): Uint8Array {
  const known = written.get(header);
  if (known !== undefined) return known;
  const bytes = new Writer()
    .u8(VERSION)
    .raw(header.chain)
    .u64(header.epoch)
    .u64(header.sequence)
    .raw(header.prevHeaderHash)
    .u64(header.timeMs)
    .raw(header.batchDigest)
    .raw(header.resultsRoot)
    .raw(header.stateRoot)
    .raw(header.historyRoot)
    .raw(header.nextMembersHash)
    .raw(header.beacon)
    .done();
  written.set(header, bytes);
  return bytes;
}

export function readHeader(from: Reader): Header {
  if (from.u8() !== VERSION) throw malformed('a header of another version');
  return {
    chain: from.raw(HASH_BYTES),
    epoch: from.u64(),
    sequence: from.u64(),
    prevHeaderHash: from.raw(HASH_BYTES),
    timeMs: from.u64(),
    batchDigest: from.raw(HASH_BYTES),
    resultsRoot: from.raw(HASH_BYTES),
    stateRoot: from.raw(HASH_BYTES),
    historyRoot: from.raw(HASH_BYTES),
    nextMembersHash: from.raw(HASH_BYTES),
    beacon: from.raw(HASH_BYTES),
  };
}

const DOMAIN = utf8('declai/ledger/header/1\0');

export const headerHash = (header: Header, sha256: Sha256): Uint8Array =>
  sha256(concatBytes([DOMAIN, headerBytes(header)]));

/** The block before the first: no batch, no votes, known to all by the genesis. */
export const genesisHeader = (
  of: Pick<Header, 'chain' | 'epoch' | 'timeMs' | 'stateRoot'> & {
    readonly membership: Uint8Array;
  },
  sha256: Sha256,
): Header => ({
  chain: of.chain,
  epoch: of.epoch,
  sequence: 0,
  prevHeaderHash: ZERO_HASH,
  timeMs: of.timeMs,
  batchDigest: ZERO_HASH,
  resultsRoot: ZERO_HASH,
  stateRoot: of.stateRoot,
  historyRoot: rangeRoot(EMPTY_RANGE, sha256),
  nextMembersHash: sha256(of.membership),
  beacon: ZERO_HASH,
});
