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
    nodeSha256,
  );
  expect(isFault(check(bytes))).toBe(false);
  for (let i = 0; i < 10_000; i += 1) read(Uint8Array.of(i & 255, i >> 8));
  for (let i = 0; i < 300; i += 1) read(new Uint8Array(64 * 1024).fill(i).fill(i >> 8, 1, 2));
  check(bytes.slice());
  expect(checks).toBe(1);
});
