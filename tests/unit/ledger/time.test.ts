import { expect, test } from 'vitest';
import { HOLD_EXPIRED, HOLD_OPEN } from '#lib/ledger/account/records/records.ts';
import { DAY, HOUR, START_MS, World } from '#tests/support/ledger/world.ts';

/** What a person has, in buckets. */
function buckets(world: World, name: string) {
  const { starterMicro, earnedMicro, maturingMicro, heldMicro } = world.account(name);
  return { starterMicro, earnedMicro, maturingMicro, heldMicro };
}

test('[A14] half of what a new account earns matures after seven days; on the eighth day it is new no more', () => {
  const world = new World();
  const pay = () => {
    const job = world.pot(`payer ${world.sequence}`, 1_000n);
    expect(world.do(world.mint(job, { potMicro: 101n }))).toEqual(['ok']);
  };
  pay();
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 51n, maturingMicro: 50n });
  world.wait(6n * DAY);
  pay();
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 102n, maturingMicro: 100n });
  world.wait(DAY - 1n);
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 102n, maturingMicro: 100n });
  world.wait(1n);
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 152n, maturingMicro: 50n });
  pay();
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 253n, maturingMicro: 50n });
  world.wait(6n * DAY);
  expect(buckets(world, 'worker')).toMatchObject({ earnedMicro: 303n, maturingMicro: 0n });
});

test('[A13] what falls due is settled by time, 1 024 a block, the rest in the next one', () => {
  const world = new World();
  for (let i = 0; i < 15; i += 1) {
    world.do(
      ...Array.from({ length: 100 }, (_, j) =>
        world.grant(`guest ${i} ${j}`, 10n, START_MS + 20n * DAY),
      ),
    );
    world.wait(DAY);
  }
  expect(world.totals.accountsMicro).toBe(15_000n);
  world.wait(6n * DAY);
  expect(world.totals.accountsMicro).toBe(15_000n - 10_240n);
  world.wait(0n);
  expect(world.totals.accountsMicro).toBe(0n);
});

test('[A16] an account that is idle for 90 days with nothing in it goes; one with a micro stays', () => {
  const world = new World();
  world.do(world.grant('spent', 1_000n, world.timeMs + HOUR));
  const job = world.pot('payer', 1_000n);
  world.do(world.mint(job));
  world.wait(HOUR);
  world.wait(90n * DAY);
  expect(world.get('account', world.id('spent'))).not.toBe(null);
  world.wait(DAY);
  world.wait(0n);
  expect(world.get('account', world.id('spent'))).toBe(null);
  expect(world.account('worker').earnedMicro).toBe(10n);
});

test('[A5] the sweep gives an open hold back and remembers it as expired', () => {
  const world = new World();
  world.do(world.grant('ann', 1_000n));
  const id = world.holdId('job');
  world.do(world.hold(id, 'ann'));
  expect(world.get('hold', id)?.status).toBe(HOLD_OPEN);
  world.wait(HOUR);
  expect(world.get('hold', id)?.status).toBe(HOLD_EXPIRED);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 1_000n, heldMicro: 0n });
});

/** As many strangers as one block sweeps, whose nonces fall due before all else. */
function crowd(world: World): void {
  const nothing = world.void(world.holdId('nothing'));
  world.do(...Array.from({ length: 1_024 }, (_, i) => ({ ...nothing, by: `stranger ${i}` })));
}

test('[A5] a hold that the sweep has not come to is expired all the same', () => {
  const world = new World();
  const id = world.holdId('job');
  world.do(world.grant('ann'), world.hold(id, 'ann', { expiresAtMs: world.timeMs + HOUR }));
  crowd(world);
  world.timeMs += HOUR;
  expect(world.do(world.capture(id, 1n), world.void(id))).toEqual([
    'ledger/hold-expired',
    'ledger/hold-expired',
  ]);
  expect(world.get('hold', id)?.status).toBe(HOLD_OPEN);
});

test('[A7] a pot that the sweep has not come to is closed all the same', () => {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  crowd(world);
  world.timeMs += DAY;
  expect(world.do(world.mint(job))).toEqual(['ledger/hold-closed']);
  expect(world.get('pot', job)).not.toBe(null);
});
