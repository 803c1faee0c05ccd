import { isFault } from '#lib/kernel/errors.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import type { LogHead } from '#lib/ledger/pbft/types.ts';
import { crc32c } from './crc32c.ts';
import type { LogOwner } from './log-layout.ts';

/** `DCH1`: the last digit is the version. */
const MAGIC = 0x44434831;

export const HEAD_BYTES = 136;

/** One slot: how far the log surely is on disk. Of two the one with the higher counter holds. */
export interface HeadSlot extends LogHead, LogOwner {
  readonly counter: number;
}

export function encodeHead(slot: HeadSlot): Uint8Array {
  const body = new Writer()
    .u32(MAGIC)
    .raw(slot.chain)
    .raw(slot.key)
    .u64(slot.counter)
    .u64(slot.count)
    .raw(slot.chainHash)
    .u64(slot.epoch)
    .u64(slot.view)
    .done();
  return concatBytes([body, new Writer().u32(crc32c(body)).done()]);
}

/** Null where the bytes are no slot: torn, damaged, missing. Never throws. */
export function decodeHead(bytes: Uint8Array): HeadSlot | null {
  if (bytes.length !== HEAD_BYTES) return null;
  try {
    const from = new Reader(bytes);
    if (from.u32() !== MAGIC) return null;
    const slot = {
      chain: from.raw(HASH_BYTES),
      key: from.raw(HASH_BYTES),
      counter: from.u64(),
      count: from.u64(),
      chainHash: from.raw(HASH_BYTES),
      epoch: from.u64(),
      view: from.u64(),
    };
    return from.u32() === crc32c(bytes.subarray(0, HEAD_BYTES - 4)) ? slot : null;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** The newer of the slots that are whole. One is always older: a crash while one is written leaves it. */
export const newest = (slots: readonly (HeadSlot | null)[]): HeadSlot | null =>
  slots.reduce(
    (best, slot) => (slot !== null && slot.counter > (best?.counter ?? -1) ? slot : best),
    null,
  );
