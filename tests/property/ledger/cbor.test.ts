import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { decodeCbor, encodeCbor, type Cbor } from '#lib/ledger/account/codec/cbor.ts';
import { NESTING_DEPTH_MAX } from '#lib/ledger/account/limits.ts';

const integer = fc.oneof(
  fc.constantFrom(0n, 23n, 24n, 255n, 256n, 65_535n, 65_536n, 2n ** 32n - 1n, 2n ** 32n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n),
);

const { value } = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', maxDepth: 5 },
    integer,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 5 }),
  ),
}));

/** Only what the ledger uses, and no deeper than it says. */
function isOurs(given: unknown, depth = 1): boolean {
  if (given instanceof Uint8Array) return true;
  if (typeof given === 'bigint') return given >= 0n;
  if (typeof given === 'number') return Number.isSafeInteger(given) && given >= 0;
  if (!Array.isArray(given) || depth > NESTING_DEPTH_MAX) return false;
  return given.every((each) => isOurs(each, depth + 1));
}

/** What a general decoder makes of it, where encoding that gives the same bytes. */
function general(bytes: Uint8Array): unknown {
  try {
    const decoded: unknown = decode(bytes);
    return isOurs(decoded) && bytesEqual(encode(decoded), bytes) ? decoded : 'refused';
  } catch {
    return 'refused';
  }
}

function ours(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes);
  } catch (error) {
    expect(error).toMatchObject({ code: 'wire/malformed' });
    return 'refused';
  }
}

test('[T1] bytes are taken exactly where a general decoder takes them and encodes them the same', () => {
  const head = fc.constantFrom(0x00, 0x40, 0x80, 0x18, 0x19, 0x1a, 0x1b, 0x58, 0x59, 0x98, 0xf6);
  const any = fc.tuple(head, fc.uint8Array({ maxLength: 24 }));
  const damage = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(value, any, damage, (given, [first, rest], { at, by }) => {
      const bytes = encodeCbor(given);
      const other = bytes.slice();
      other[at % bytes.length] = (other[at % bytes.length] ?? 0) ^ by;
      for (const each of [bytes, other, bytes.subarray(0, -1), Uint8Array.of(first, ...rest), rest])
        expect(ours(each)).toEqual(general(each));
    }),
    { numRuns: 2_000 },
  );
});
