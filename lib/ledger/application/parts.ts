import { Reader, Writer, blob } from '#lib/ledger/account/records/layout.ts';

/** A state travels and lies on disk in parts: no more than so much, but for the last record of each. */
export const PART_BYTES = 256 * 1024;
/** Records in a part, in the mean at most, while there are no more than 16³ times as many. */
export const PART_RECORDS = 512;
const DIGITS_MAX = 3;

/** How a state is cut. Tests and the simulator cut small ones, too. */
export interface Cut {
  readonly records: number;
  readonly bytes: number;
}

const WHOLE: Cut = { records: PART_RECORDS, bytes: PART_BYTES };

interface Entry {
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Records' values one after the other, each after its length in four bytes. A part ends where the first
 * hexadecimal digits of the keys change, so that a record which grows changes no part but its own.
 * @param entries by ascending key.
 * @param size how many they are.
 */
export function packParts(entries: Iterable<Entry>, size: number, cut: Cut = WHOLE): Uint8Array[] {
  const shift = 4 * (DIGITS_MAX - digitsFor(size, cut.records));
  const parts: Uint8Array[] = [];
  let out = new Writer();
  let bytes = 0;
  let prefix = -1;
  const end = (): void => {
    if (bytes > 0) parts.push(out.done());
    out = new Writer();
    bytes = 0;
  };
  for (const { key, value } of entries) {
    const at = (((key[0] ?? 0) << 4) | ((key[1] ?? 0) >> 4)) >> shift;
    if (at !== prefix || bytes >= cut.bytes) end();
    prefix = at;
    blob.write(out, value);
    bytes += value.length;
  }
  end();
  return parts;
}

/** The least number of digits that leaves no more than so many records a part in the mean. */
function digitsFor(size: number, records: number): number {
  let digits = 0;
  while (digits < DIGITS_MAX && 16 ** digits * records < size) digits += 1;
  return digits;
}

/**
 * The values in parts, one at a time. What they say is the state root's to judge.
 * @throws FaultError wire/malformed where a part is not whole
 */
export function* unpackParts(parts: Iterable<Uint8Array>): Generator<Uint8Array, undefined> {
  for (const part of parts) {
    const from = new Reader(part);
    while (from.left > 0) yield blob.read(from);
  }
}
