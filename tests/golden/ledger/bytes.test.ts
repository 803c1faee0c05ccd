import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { World } from '#tests/support/ledger/world.ts';

/** A change here is another format: chains of before it can no longer be read. */
test('[A3] a chain’s name, a transaction and a state have the bytes they always had', () => {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  world.do(world.mint(job), world.grant('ann'), world.hold(world.holdId('open'), 'ann'));
  const { roots } = world.block([]);
  expect(toHex(world.chain)).toBe(
    'fddb7267d9ecad49a075c9f7782d8c5c5a0fb4848419a07c768d8a9dfd45726f',
  );
  expect(toHex(roots.stateRoot)).toBe(
    'cbaad777a411f22ab217106b7dc63c14628b869be702ad9a1ab3944efc35a1cb',
  );
  expect(toHex(roots.nextMembersHash)).toBe(
    'ee16b6bd4baae927a3d8e080f2f5e867ec16ec5a95665ea130ac304ba1aac854',
  );
  // Version 1, chain, key, nonce 7, an instant, VOID of a hold, a signature of zeros.
  const places = [
    '87',
    '01',
    `5820${toHex(world.chain)}`,
    `5820${toHex(world.key('gateway'))}`,
    '07',
    '1b0000019b76db9260',
    `820450${toHex(world.holdId('open'))}`,
    `5840${'00'.repeat(64)}`,
  ];
  const nonce = { nonce: 7n };
  expect(toHex(world.sign({ ...world.void(world.holdId('open')), ...nonce }))).toBe(
    places.join(''),
  );
});
