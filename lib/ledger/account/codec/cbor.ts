import { decode, encode } from 'cborg';
import { FaultError, toFault } from '#lib/kernel/errors.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { NESTING_DEPTH_MAX } from '../limits.ts';

/** The part of CBOR (RFC 8949) that the ledger uses: unsigned integers, byte strings and arrays. */
export type Cbor = number | bigint | Uint8Array | readonly Cbor[];

export function encodeCbor(value: Cbor): Uint8Array {
  const { buffer, byteOffset, byteLength } = encode(value);
  // In Node cborg's are Buffers, whose methods share memory where those of other arrays copy.
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export const malformed = (what: string): FaultError => new FaultError('wire/malformed', what);

/**
 * Decodes the one encoding of a value.
 *
 * The bytes are walked before they are decoded: deep nesting overflows a decoder's stack, and lengths
 * that lie make it reserve memory. What was decoded is encoded again and compared: that, and no strict
 * mode, is what gives a value one encoding.
 * @throws FaultError wire/malformed
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const end = walk(bytes, { at: 0, depth: 1 });
  if (end !== bytes.length) throw malformed('bytes follow the value');
  try {
    const value: unknown = decode(bytes);
    if (!bytesEqual(encode(value), bytes)) throw malformed('not the canonical encoding');
    return value;
  } catch (error) {
    throw toFault(error, 'wire/malformed');
  }
}

const UNSIGNED = 0;
const BYTES = 2;
const ARRAY = 4;

/** End of the value that begins at `at`; `depth` counts the arrays around it, its own included. */
function walk(bytes: Uint8Array, { at, depth }: { at: number; depth: number }): number {
  const { major, argument, end } = head(bytes, at);
  if (major === UNSIGNED) return end;
  if (argument > bytes.length - end) throw malformed('longer than its bytes');
  if (major === BYTES) return end + argument;
  if (major !== ARRAY) throw malformed('only integers, byte strings and arrays');
  if (depth > NESTING_DEPTH_MAX) throw malformed('arrays too deep within arrays');
  let next = end;
  for (let i = 0; i < argument; i += 1) next = walk(bytes, { at: next, depth: depth + 1 });
  return next;
}

/** Major type and argument of one data item; the argument of a u64 beyond 2⁵³ is only compared. */
function head(bytes: Uint8Array, at: number): { major: number; argument: number; end: number } {
  const first = bytes[at];
  if (first === undefined) throw malformed('the bytes end within a value');
  const [major, info] = [first >> 5, first & 31];
  if (info < 24) return { major, argument: info, end: at + 1 };
  if (info > 27) throw malformed('only definite lengths');
  const end = at + 1 + 2 ** (info - 24);
  if (end > bytes.length) throw malformed('the bytes end within a value');
  let argument = 0;
  for (let i = at + 1; i < end; i += 1) argument = argument * 256 + (bytes[i] ?? 0);
  return { major, argument, end };
}
