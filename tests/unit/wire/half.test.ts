import { expect, it } from 'vitest';
import { fromHalfBits } from '#lib/kernel/half.ts';
import { toFiniteHalfBits } from '#lib/shard/wire/half.ts';

it('every half survives the way to a number and back', () => {
  for (let bits = 0; bits < 2 ** 16; bits += 1) {
    const value = fromHalfBits(bits);
    if (Number.isFinite(value)) expect(toFiniteHalfBits(value)).toBe(bits);
  }
});

it('rounds to the nearest half, ties to even, as brute force does', () => {
  const halves = Array.from({ length: 0x7c00 }, (_, bits) => fromHalfBits(bits));
  for (let bits = 0; bits < 0x7bff; bits += 7) {
    const [low, high] = [halves[bits] as number, halves[bits + 1] as number];
    const middle = (low + high) / 2;
    expect(toFiniteHalfBits(low + (middle - low) * 0.99)).toBe(bits);
    expect(toFiniteHalfBits(high - (high - middle) * 0.99)).toBe(bits + 1);
    expect(toFiniteHalfBits(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
    expect(toFiniteHalfBits(-middle)).toBe(0x8000 | (bits % 2 === 0 ? bits : bits + 1));
  }
});

it('[M4] what is too large for a half becomes the largest, never an infinity', () => {
  for (const value of [65_504, 65_519, 65_520, 1e6, 3e38]) {
    expect(fromHalfBits(toFiniteHalfBits(value))).toBe(65_504);
    expect(fromHalfBits(toFiniteHalfBits(-value))).toBe(-65_504);
  }
  expect(fromHalfBits(toFiniteHalfBits(NaN))).toBeNaN();
});
