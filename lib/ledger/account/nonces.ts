import { RESULT_CODES, resultByte, type ResultCode } from './codes.ts';

/**
 * Executed nonces of one key, ascending, packed: u64 nonce, u64 sequence, u8 code, 8 bytes of the
 * transaction's id. A gateway has four thousand, so they stay bytes.
 */
const ENTRY_BYTES = 25;
const ID_BYTES = 8;

export interface Executed {
  readonly sequence: bigint;
  readonly code: ResultCode;
}

export type NonceVerdict =
  | { readonly type: 'fresh' }
  /** Executed before, by the transaction with this id. */
  | { readonly type: 'executed'; readonly first: Executed }
  /** Executed before, by another transaction. */
  | { readonly type: 'used' }
  | { readonly type: 'too-old' };

const view = (packed: Uint8Array): DataView =>
  new DataView(packed.buffer, packed.byteOffset, packed.byteLength);

/** Index of the first entry whose nonce is not below `nonce`. */
function placeOf(packed: Uint8Array, nonce: bigint): number {
  const entries = view(packed);
  let [low, high] = [0, packed.length / ENTRY_BYTES];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries.getBigUint64(middle * ENTRY_BYTES) < nonce) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param kept how many nonces this key's table holds: below the lowest of a full table nobody knows. */
export function judgeNonce(
  packed: Uint8Array,
  transaction: { readonly nonce: bigint; readonly id: Uint8Array },
  kept: number,
): NonceVerdict {
  const { nonce, id } = transaction;
  const place = placeOf(packed, nonce);
  const at = place * ENTRY_BYTES;
  const entries = view(packed);
  if (at < packed.length && entries.getBigUint64(at) === nonce) {
    for (let i = 0; i < ID_BYTES; i += 1)
      if (packed[at + 17 + i] !== id[i]) return { type: 'used' };
    const code = RESULT_CODES[packed[at + 16] ?? 0] ?? 'ok';
    return { type: 'executed', first: { sequence: entries.getBigUint64(at + 8), code } };
  }
  const isFull = packed.length >= kept * ENTRY_BYTES;
  return isFull && place === 0 ? { type: 'too-old' } : { type: 'fresh' };
}

/** The table with a nonce more and no more than `kept` of the highest. */
export function withNonce(
  packed: Uint8Array,
  entry: { readonly nonce: bigint; readonly id: Uint8Array; readonly executed: Executed },
  kept: number,
): Uint8Array {
  const at = placeOf(packed, entry.nonce) * ENTRY_BYTES;
  const all = new Uint8Array(packed.length + ENTRY_BYTES);
  all.set(packed.subarray(0, at));
  all.set(packed.subarray(at), at + ENTRY_BYTES);
  const place = view(all);
  place.setBigUint64(at, entry.nonce);
  place.setBigUint64(at + 8, entry.executed.sequence);
  place.setUint8(at + 16, resultByte(entry.executed.code));
  all.set(entry.id.subarray(0, ID_BYTES), at + 17);
  return all.subarray(Math.max(0, all.length - kept * ENTRY_BYTES));
}

/** What a key's table says of the transaction with this id; null: it holds none such. */
export function outcomeIn(packed: Uint8Array, id: Uint8Array): Executed | null {
  const entries = view(packed);
  for (let at = 0; at + ENTRY_BYTES <= packed.length; at += ENTRY_BYTES) {
    const isOther = packed.subarray(at + 17, at + ENTRY_BYTES).some((byte, i) => byte !== id[i]);
    if (isOther) continue;
    const code = RESULT_CODES[packed[at + 16] ?? 0] ?? 'ok';
    return { sequence: entries.getBigUint64(at + 8), code };
  }
  return null;
}
