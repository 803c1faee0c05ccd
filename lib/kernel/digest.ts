import { sha256 } from '@noble/hashes/sha2.js';
import { toHex, utf8 } from './bytes.ts';
import { canonicalJson } from './canonical.ts';

/** SHA-256 in one synchronous call, for small inputs and pure cores. */
export const sha256Hex = (bytes: Uint8Array): string => toHex(sha256(bytes));

/** SHA-256 of the canonical JSON of `value`. */
export const digestJson = (value: unknown): string => sha256Hex(utf8(canonicalJson(value)));

/** SHA-256 by the platform (hundreds of MB/s): for chunks. Needs a secure context. */
export async function sha256HexFast(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
