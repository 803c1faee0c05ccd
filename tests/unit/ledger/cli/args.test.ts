import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import {
  countOf,
  durationOf,
  hexOf,
  microOf,
  parseLedgerArgs,
  timeoutOf,
} from '#server/ledger/args.ts';
import { credits, plain } from '#server/ledger/text.ts';

const isInvalid = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch (error) {
    return isFault(error, 'request/invalid');
  }
};

test('[Y2] commands, operands and options are read strictly', () => {
  expect(parseLedgerArgs([])).toBeNull();
  expect(parseLedgerArgs(['balance', '--help'])).toBeNull();
  expect(parseLedgerArgs(['capture', 'ab', '5'])).toMatchObject({
    ...{ command: 'capture', operands: ['ab', '5'] },
    values: { timeout: '10', genesis: '.data/ledger/genesis.cbor' },
  });
  for (const argv of [
    ['frob'],
    ['capture', 'ab'],
    ['void', 'a', 'b'],
    ['blocks', '--frob'],
    ['hold'],
  ]) {
    expect([argv, isInvalid(() => parseLedgerArgs(argv))]).toEqual([argv, true]);
  }
});

test('[Y2] amounts, times, counts and ids are what they look like, or refused', () => {
  expect(microOf('1500000')).toBe(1_500_000n);
  for (const text of ['0', '-1', '1.5', '1e3', '', '4611686018427387904']) {
    expect([text, isInvalid(() => microOf(text))]).toEqual([text, true]);
  }
  expect([durationOf('90s'), durationOf('5m'), durationOf('30d')]).toEqual([
    90_000, 300_000, 2_592_000_000,
  ]);
  for (const text of ['5', 'h', '1w', '-1h']) {
    expect([text, isInvalid(() => durationOf(text))]).toEqual([text, true]);
  }
  expect(hexOf('00ff', 2, 'an id')).toEqual(Uint8Array.of(0, 255));
  expect(isInvalid(() => hexOf('00f', 2, 'an id'))).toBe(true);
  expect(isInvalid(() => hexOf('zzzz', 2, 'an id'))).toBe(true);
  expect(countOf('20', '--count')).toBe(20);
  expect(isInvalid(() => countOf('-1', '--count'))).toBe(true);
  // A timer of more than 2³¹ ms rings at once.
  expect([timeoutOf('1'), timeoutOf('3600')]).toEqual([1_000, 3_600_000]);
  for (const text of ['0', '3601', '3000000', 'x']) {
    expect([text, isInvalid(() => timeoutOf(text))]).toEqual([text, true]);
  }
});

test('[Y2] amounts are exact in JSON, and short for people', () => {
  const value = { a: 2n ** 62n, b: [Uint8Array.of(1, 255)], c: null, d: 'text' };
  expect(plain(value)).toEqual({ a: '4611686018427387904', b: ['01ff'], c: null, d: 'text' });
  expect([credits(0n), credits(1_500_000n), credits(1n)]).toEqual(['0', '1.5', '0.000001']);
});
