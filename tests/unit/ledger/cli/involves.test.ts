import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { involves, type Involved } from '#server/ledger/involves.ts';
import { bytes32, read, World, type Ask } from '#tests/support/ledger/world.ts';

test('[Y1] a history has what an account asked for, what it paid for and what paid it', () => {
  const world = new World();
  const of: Involved = {
    account: world.id('ann'),
    keys: new Set([toHex(world.key('ann'))]),
    holds: new Set(),
  };
  const isIn = (ask: Ask): boolean => involves(of, read(world.sign(ask)), nodeSha256);
  const [own, others] = [world.holdId('own'), world.holdId('others')];
  expect(isIn(world.grant('ann'))).toBe(true);
  expect(isIn(world.grant('bob'))).toBe(false);
  expect(isIn(world.capture(own, 5n))).toBe(false);
  expect(isIn(world.hold(own, 'ann'))).toBe(true);
  expect(isIn(world.hold(others, 'bob'))).toBe(false);
  expect(isIn(world.capture(own, 5n))).toBe(true);
  expect(isIn(world.void(others))).toBe(false);
  const shares = [{ worker: world.key('ann'), flops: 1n }];
  expect(isIn(world.mint(others))).toBe(false);
  expect(isIn(world.mint(others, { shares }))).toBe(true);
  const member = { type: 'cluster-member', cluster: bytes32('club'), dayLimitMicro: 1n } as const;
  const joined = { ...member, account: world.id('bob'), member: world.id('ann') };
  expect(isIn({ by: 'bob', body: joined })).toBe(true);
});
