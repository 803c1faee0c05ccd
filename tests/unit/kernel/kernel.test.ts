import { expect, test } from 'vitest';
import { InvariantError, invariant } from '#lib/kernel/assert.ts';
import { fromHex, toHex } from '#lib/kernel/bytes.ts';
import { MIB } from '#lib/kernel/units.ts';
import { canonicalJson } from '#lib/kernel/canonical.ts';
import { digestJson, sha256Hex, sha256HexFast } from '#lib/kernel/digest.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import { fromHalfBits, toHalfBits } from '#lib/kernel/half.ts';
import { seededRandom } from '#lib/kernel/random.ts';

test('canonical JSON does not depend on the order of members', () => {
  expect(canonicalJson({ b: [1, null], a: { d: 'é', c: true } })).toBe(
    '{"a":{"c":true,"d":"é"},"b":[1,null]}',
  );
  expect(digestJson({ a: 1, b: 2 })).toBe(digestJson({ b: 2, a: 1, c: undefined }));
});

test('canonical JSON refuses what is not JSON', () => {
  expect(() => canonicalJson({ a: Number.NaN })).toThrow(InvariantError);
  expect(() => canonicalJson({ a: () => 1 })).toThrow(InvariantError);
});

test('both digests agree with the standard', async () => {
  const abc = new TextEncoder().encode('abc');
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256Hex(abc)).toBe(expected);
  expect(await sha256HexFast(abc)).toBe(expected);
});

test('hex goes both ways and refuses the rest', () => {
  expect(toHex(fromHex('00ff10') ?? new Uint8Array())).toBe('00ff10');
  // Longer than a stack is deep.
  const long = new Uint8Array(16 * MIB).fill(0xab);
  expect(toHex(long).length).toBe(2 * long.length);
  expect(toHex(long.subarray(0, 1_025))).toBe('ab'.repeat(1_025));
  expect(fromHex('0')).toBeNull();
  expect(fromHex('zz')).toBeNull();
});

test('faults survive the wire, strangers become the fallback', () => {
  const fault = new FaultError('mesh/limit', 'too many links', { details: { links: 9 } });
  expect(FaultError.fromWire(fault.toWire())).toEqual(fault);
  expect(isFault(toFault(new Error('x'), 'engine/lost'), 'engine/lost')).toBe(true);
  expect(toFault(fault, 'engine/lost')).toBe(fault);
  expect(() => invariant(false, 'never')).toThrow(/never/);
});

test('a seed gives the same numbers, another seed others', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 8 }, () => random.uint32());
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('every half is the number that gives it back, and numbers between go to the nearer', () => {
  const wrong: number[] = [];
  for (let half = 0; half < 0x10000; half += 1) {
    const value = fromHalfBits(half);
    if (!Number.isNaN(value) && toHalfBits(value) !== half) wrong.push(half);
  }
  expect(wrong).toEqual([]);
  const random = seededRandom(3);
  for (let i = 0; i < 2000; i += 1) {
    const low = random.below(0x7bff);
    const [below, above] = [fromHalfBits(low), fromHalfBits(low + 1)];
    const value = Math.fround(below + (above - below) * random.unit());
    const nearer = value - below < above - value ? low : low + 1;
    const tie = value - below === above - value;
    expect(toHalfBits(value)).toBe(tie ? low + (low & 1) : nearer);
    expect(toHalfBits(-value)).toBe(toHalfBits(value) | 0x8000);
  }
  expect([65_519, 65_520, 1e30, -Infinity].map(toHalfBits)).toEqual([
    0x7bff, 0x7c00, 0x7c00, 0xfc00,
  ]);
  expect(fromHalfBits(toHalfBits(NaN))).toBe(NaN);
});
