import { concatBytes } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { HASH_BYTES, bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import { crc32c } from './crc32c.ts';
import { STORE } from './limits.ts';

/** Whose votes a log holds: a chain's, by one vote key. Both 32 bytes. */
export interface LogOwner {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
}

/** A place in the log: so many records come before it, over the log's whole life, with this chain hash. */
export interface LogPlace {
  readonly count: number;
  readonly chainHash: Uint8Array;
}

export interface SegmentHeader extends LogOwner, LogPlace {
  readonly index: number;
}

/** `DCW1`: the last digit is the version. */
const MAGIC = 0x44435731;

export const SEGMENT_HEADER_BYTES = 120;
/** Length u32, CRC-32C u32. */
export const FRAME_HEADER_BYTES = 8;

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const body = new Writer()
    .u32(MAGIC)
    .raw(header.chain)
    .raw(header.key)
    .u64(header.index)
    .u64(header.count)
    .raw(header.chainHash)
    .done();
  return concatBytes([body, new Writer().u32(crc32c(body)).done()]);
}

/** Null where the bytes do not begin as a segment. Never throws. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  try {
    const from = new Reader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
    if (from.u32() !== MAGIC) return null;
    const header = {
      chain: from.raw(HASH_BYTES),
      key: from.raw(HASH_BYTES),
      index: from.u64(),
      count: from.u64(),
      chainHash: from.raw(HASH_BYTES),
    };
    const crc = crc32c(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4));
    return from.u32() === crc ? header : null;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/**
 * A record as it stands in a segment. Its CRC goes over the chain's hash before it, too: bytes that an
 * earlier life left behind the end of the log are never taken for its continuation.
 */
export function encodeFrame(record: Uint8Array, before: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + record.length);
  frame.set(new Writer().u32(record.length).u32(frameCrc(record, before)).done());
  frame.set(record, FRAME_HEADER_BYTES);
  return frame;
}

const frameCrc = (record: Uint8Array, before: Uint8Array): number =>
  crc32c(record, crc32c(new Writer().u32(record.length).done(), crc32c(before)));

/** h₀ = 32 zeros, hᵢ = SHA-256(hᵢ₋₁ ‖ recordᵢ): the chain's hash after this record. */
export const chainAfter = (before: Uint8Array, record: Uint8Array, sha256: Sha256): Uint8Array =>
  sha256(concatBytes([before, record]));

/** A record and where it ends: in the segment at this place of the list, so many bytes in. */
export interface ReadRecord {
  readonly bytes: Uint8Array;
  readonly after: LogPlace;
}

export interface LogReading {
  /** Before the first record here. Null: the first segment does not say it. */
  readonly start: LogPlace | null;
  readonly records: readonly ReadRecord[];
  /** Where the next record goes: a segment of the list, and an offset in it. */
  readonly end: { readonly segment: number; readonly offset: number };
  /** What follows the end: zeros as they were written first, or anything else. */
  readonly isTailClean: boolean;
  /** A whole header says that this log is somebody else's. */
  readonly foreign: SegmentHeader | null;
}

/**
 * The log's records, as far as they are whole and in order. Segments come in ascending order of index;
 * each is taken only if its header goes on exactly where the one before ended, so that nothing of the
 * log can be missing in between.
 */
export function readLog(
  segments: readonly Uint8Array[],
  owner: LogOwner,
  sha256: Sha256,
): LogReading {
  const records: ReadRecord[] = [];
  let place: LogPlace | null = null;
  let start: LogPlace | null = null;
  let end = { segment: 0, offset: SEGMENT_HEADER_BYTES };
  for (const [segment, bytes] of segments.entries()) {
    const header = decodeSegmentHeader(bytes);
    if (header !== null && !isOf(header, owner)) {
      return { start, records, end, isTailClean: false, foreign: header };
    }
    if (header === null || (place !== null && !goesOn(header, place))) break;
    place ??= start = { count: header.count, chainHash: header.chainHash };
    const read = readSegment(bytes, place, sha256);
    for (const record of read.records) records.push(record);
    place = read.records.at(-1)?.after ?? place;
    end = { segment, offset: read.offset };
  }
  const last = segments[end.segment];
  // In a segment that another one follows, what is behind its last record does not matter.
  const isTailClean =
    last !== undefined && end.segment === segments.length - 1 && isZero(last.subarray(end.offset));
  return { start, records, end, isTailClean, foreign: null };
}

export const isOf = (a: LogOwner, b: LogOwner): boolean =>
  bytesEqual(a.chain, b.chain) && bytesEqual(a.key, b.key);

const goesOn = (header: SegmentHeader, { count, chainHash }: LogPlace): boolean =>
  header.count === count && bytesEqual(header.chainHash, chainHash);

function readSegment(
  bytes: Uint8Array,
  from: LogPlace,
  sha256: Sha256,
): { readonly records: readonly ReadRecord[]; readonly offset: number } {
  const records: ReadRecord[] = [];
  let place = from;
  let offset = SEGMENT_HEADER_BYTES;
  for (;;) {
    const record = readFrame(bytes, offset, place.chainHash);
    if (record === null) return { records, offset };
    const chainHash = chainAfter(place.chainHash, record, sha256);
    place = { count: place.count + 1, chainHash };
    offset += FRAME_HEADER_BYTES + record.length;
    records.push({ bytes: record, after: place });
  }
}

/** Null where no whole record stands: zeros, a torn one, the file's end, or one that says nothing to us. */
function readFrame(bytes: Uint8Array, offset: number, before: Uint8Array): Uint8Array | null {
  const from = offset + FRAME_HEADER_BYTES;
  if (from > bytes.length) return null;
  const header = new Reader(bytes.subarray(offset, from));
  const length = header.u32();
  if (length === 0 || length > STORE.recordBytesMax || length > bytes.length - from) return null;
  const record = bytes.slice(from, from + length);
  if (header.u32() !== frameCrc(record, before)) return null;
  return isFault(decodeRecord(record)) ? null : record;
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i += 1) if (bytes[i] !== 0) return false;
  return true;
}
