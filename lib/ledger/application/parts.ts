import { Reader, Writer, blob } from '#lib/ledger/account/records/layout.ts';

/** A state travels and lies on disk in parts of about so much: a few hundred records each. */
export const PART_BYTES = 256 * 1024;

/** Records' values one after the other, each after its length in four bytes. */
export function packParts(values: Iterable<Uint8Array>): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let out = new Writer();
  let bytes = 0;
  for (const value of values) {
    blob.write(out, value);
    bytes += value.length;
    if (bytes < PART_BYTES) continue;
    parts.push(out.done());
    out = new Writer();
    bytes = 0;
  }
  return bytes > 0 ? [...parts, out.done()] : parts;
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
