import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { readTransaction, type Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { remembered } from '#lib/ledger/application/remembered.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { World } from '#tests/support/ledger/world.ts';

test('[P3] transactions that nobody verified push out none that was', () => {
  const world = new World();
  const bytes = world.sign(world.grant('ann'));
  let checks = 0;
  const { read, check } = remembered(
    (each) => {
      if (each.length === bytes.length) return readTransaction(each, nodeSha256);
      return { bytes: each } as Transaction;
    },
    (transaction) => {
      checks += 1;
      return transaction;
    },
  );
  expect(isFault(check(bytes))).toBe(false);
  for (let i = 0; i < 10_000; i += 1) read(Uint8Array.of(i & 255, i >> 8));
  for (let i = 0; i < 300; i += 1) read(new Uint8Array(64 * 1024).fill(i).fill(i >> 8, 1, 2));
  check(bytes.slice());
  expect(checks).toBe(1);
});

test('[P3] what ends as another does is another one', () => {
  const read: Uint8Array[] = [];
  const checked: Uint8Array[] = [];
  const judge = remembered(
    (bytes) => {
      read.push(bytes);
      return { bytes } as Transaction;
    },
    (transaction) => {
      checked.push(transaction.bytes);
      return transaction;
    },
  );
  const [a, b] = [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(0, 2, 3, 4, 5, 6, 7, 8)];
  for (const bytes of [a, b, a]) {
    expect(judge.check(bytes.slice())).toEqual({ bytes });
    expect(judge.check(bytes.slice())).toEqual({ bytes });
  }
  // The one in the other's place is judged anew, and no more than that.
  expect(checked).toEqual([a, b, a]);
  expect(read).toEqual([a, b, a]);
});
