import { encode } from 'cborg';
import { FaultError } from '#lib/kernel/errors.ts';
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
 * Decodes the one encoding of a value: integers and lengths in the fewest bytes that hold them, arrays and
 * byte strings of definite length (RFC 8949 §4.2.1). Integers are numbers below 2⁵³, bigints from there on.
 *
 * Written out for these three types: a general decoder takes unsorted and duplicate keys and float integers
 * even in its strict mode, so what it gave would have to be encoded once more and compared, which costs
 * more than all of this. Depth and lengths are seen before anything is made: deep nesting overflows a
 * stack, and lengths that lie reserve memory.
 * @throws FaultError wire/malformed
 */
export function decodeCbor(bytes: Uint8Array): Cbor {
  const { buffer, byteOffset, byteLength } = bytes;
  // No Buffer: its `slice` does not copy.
  const from: Cursor = { bytes: new Uint8Array(buffer, byteOffset, byteLength), at: 0 };
  const value = valueAt(from, 1);
  if (from.at !== bytes.length) throw malformed('bytes follow the value');
  return value;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

const UNSIGNED = 0;
const BYTES = 2;
const ARRAY = 4;

/** The value that begins here; `depth` counts the arrays around it, its own included. */
function valueAt(from: Cursor, depth: number): Cbor {
  const { bytes } = from;
  const major = (bytes[from.at] ?? 0) >> 5;
  const argument = argumentAt(from);
  if (major === UNSIGNED) return argument;
  const left = bytes.length - from.at;
  if (typeof argument === 'bigint' || argument > left) throw malformed('longer than its bytes');
  if (major === BYTES) {
    from.at += argument;
    return bytes.slice(from.at - argument, from.at);
  }
  if (major !== ARRAY) throw malformed('only integers, byte strings and arrays');
  if (depth > NESTING_DEPTH_MAX) throw malformed('arrays too deep within arrays');
  const values: Cbor[] = [];
  for (let i = 0; i < argument; i += 1) values.push(valueAt(from, depth + 1));
  return values;
}

/** The number in a head, which ends there. */
function argumentAt(from: Cursor): number | bigint {
  const first = from.bytes[from.at];
  if (first === undefined) throw malformed('the bytes end within a value');
  from.at += 1;
  const info = first & 31;
  if (info < 24) return info;
  if (info > 27) throw malformed('only definite lengths');
  const count = 2 ** (info - 24);
  if (count > from.bytes.length - from.at) throw malformed('the bytes end within a value');
  if (count === 8) return longAt(from);
  const value = wordAt(from, count);
  if (value < (count === 1 ? 24 : 256 ** (count / 2))) throw malformed(LONGER_THAN_NEEDED);
  return value;
}

function longAt(from: Cursor): number | bigint {
  const high = wordAt(from, 4);
  const low = wordAt(from, 4);
  if (high === 0) throw malformed(LONGER_THAN_NEEDED);
  const value = high * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

const LONGER_THAN_NEEDED = 'not the canonical encoding';

function wordAt(from: Cursor, count: number): number {
  let value = 0;
  for (const end = from.at + count; from.at < end; from.at += 1)
    value = value * 256 + (from.bytes[from.at] ?? 0);
  return value;
}
