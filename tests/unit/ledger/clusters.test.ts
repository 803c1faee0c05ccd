import { expect, test } from 'vitest';
import { SCOPE_SPEND } from '#lib/ledger/account/codec/bodies.ts';
import { tierOf } from '#lib/ledger/account/accounts.ts';
import { bytes32, DAY, HOUR, World, type Ask } from '#tests/support/ledger/world.ts';

const CLUSTER = bytes32('cluster');

const fund = (world: World, amountMicro: bigint, by = 'owner'): Ask => ({
  by,
  body: { type: 'fund-cluster', account: world.id(by), cluster: CLUSTER, amountMicro },
});

const member = (world: World, name: string, dayLimitMicro: bigint): Ask =>
  memberBy('owner', world, { name, dayLimitMicro });

const memberBy = (
  by: string,
  world: World,
  { name, dayLimitMicro }: { name: string; dayLimitMicro: bigint },
): Ask => ({
  by,
  body: {
    type: 'cluster-member',
    account: world.id(by),
    cluster: CLUSTER,
    member: world.id(name),
    dayLimitMicro,
  },
});

/** `owner` has earned 1 000, and `ann` an account with starter credit. */
function withOwner(): World {
  const world = new World();
  const job = world.pot('payer', 10_000n);
  const shares = [{ worker: world.key('owner'), flops: 10n ** 12n }];
  world.do(world.mint(job, { potMicro: 2_000n, shares }), world.grant('ann', 500n));
  return world;
}

test('[A11] a cluster is paid for from earned credit, by whoever likes; its owner is who began', () => {
  const world = withOwner();
  world.do(world.grant('owner', 700n));
  expect(
    world.do(fund(world, 1_001n), fund(world, 600n), fund(world, 500n), fund(world, 10n, 'ann')),
  ).toEqual([
    'ledger/insufficient-credit',
    'ok',
    'ledger/insufficient-credit',
    'ledger/insufficient-credit',
  ]);
  expect(world.get('cluster', CLUSTER)).toMatchObject({ micro: 600n, owner: world.id('owner') });
  expect(world.account('owner')).toMatchObject({ earnedMicro: 400n, starterMicro: 700n });
});

test('[A11] only the owner takes members in; a member holds within its limit of the day', () => {
  const world = withOwner();
  world.do(fund(world, 1_000n));
  const hold = (name: string, micro: bigint) =>
    world.hold(world.holdId(`${name} ${micro}`), 'ann', { amountMicro: micro, cluster: CLUSTER });
  expect(
    world.do(
      hold('early', 100n),
      memberBy('ann', world, { name: 'ann', dayLimitMicro: 300n }),
      member(world, 'nobody', 300n),
      member(world, 'ann', 300n),
      hold('first', 200n),
      hold('second', 101n),
      hold('third', 100n),
      world.hold(world.holdId('x'), 'ann', { cluster: bytes32('no cluster') }),
    ),
  ).toEqual([
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/unknown-account',
    'ok',
    'ok',
    'ledger/over-limit',
    'ok',
    'ledger/unknown-account',
  ]);
  expect(world.get('cluster', CLUSTER)).toMatchObject({ micro: 700n, heldMicro: 300n });
  // Her own credit is not touched.
  expect(world.account('ann')).toMatchObject({ starterMicro: 500n, heldMicro: 0n, openHolds: 0 });
  const first = world.holdId('first 200');
  expect(world.do(world.capture(first, 50n), hold('fourth', 150n))).toEqual(['ok', 'ok']);
  expect(world.get('cluster', CLUSTER)).toMatchObject({ micro: 700n, heldMicro: 250n });
  expect(world.do(member(world, 'ann', 0n), hold('fifth', 10n), member(world, 'ann', 0n))).toEqual([
    'ok',
    'ledger/not-authorised',
    'ledger/unknown-account',
  ]);
  world.wait(HOUR);
  expect(world.get('cluster', CLUSTER)).toMatchObject({ micro: 950n, heldMicro: 0n, members: 0 });
});

test('[A11] a member’s hold counts for the key that signed it, too', () => {
  const world = withOwner();
  world.do(fund(world, 1_000n), member(world, 'ann', 900n));
  const body = {
    type: 'delegate',
    account: world.id('ann'),
    publicKey: world.key('phone'),
    scope: BigInt(SCOPE_SPEND),
    dayLimitMicro: 100n,
    holdMaxMicro: 100n,
    expiresAtMs: world.timeMs + DAY,
  } as const;
  const hold = (micro: bigint) => ({
    ...world.hold(world.holdId(`${micro}`), 'ann', { amountMicro: micro, cluster: CLUSTER }),
    by: 'phone',
  });
  expect(world.do({ by: 'ann', body }, hold(60n), hold(41n), hold(40n))).toEqual([
    'ok',
    'ok',
    'ledger/over-limit',
    'ok',
  ]);
});

test('[A11] an empty cluster without members goes when it was idle, and with it a place of its owner', () => {
  const world = withOwner();
  world.do(fund(world, 100n), member(world, 'ann', 100n));
  const id = world.holdId('all');
  const spend = world.hold(id, 'ann', { amountMicro: 100n, cluster: CLUSTER });
  expect(world.do(spend, world.capture(id, 100n))).toEqual(['ok', 'ok']);
  expect(world.account('owner').clusters).toBe(1);
  world.wait(92n * DAY);
  world.wait(0n);
  expect(world.get('cluster', CLUSTER)).toBe(null);
  expect(world.account('owner')).toMatchObject({ clusters: 0, earnedMicro: 1_900n });
});

test('[A15] the tier follows what was earned in 28 ledger days, not what is left of it', () => {
  const world = new World({ microPerTeraflop: 10n ** 9n });
  const job = world.pot('payer', 10_000n);
  const at = () => ({ day: Number(world.timeMs / DAY), priorityMicro: 3_000n });
  world.do(world.mint(job, { potMicro: 2_000n }));
  world.wait(DAY / 2n);
  expect(tierOf(world.account('worker'), at())).toBe('standard');
  world.wait(DAY / 4n);
  world.do(world.mint(job, { potMicro: 1_000n, chunk: 1n }));
  expect(world.account('worker').earnedDays).toHaveLength(1);
  expect(tierOf(world.account('worker'), at())).toBe('priority');
  const body = { type: 'burn', account: world.id('worker'), amountMicro: 1_500n } as const;
  expect(world.do({ by: 'worker', body })).toEqual(['ok']);
  expect(tierOf(world.account('worker'), at())).toBe('priority');
  world.wait(27n * DAY);
  expect(tierOf(world.account('worker'), at())).toBe('priority');
  world.wait(DAY);
  expect(tierOf(world.account('worker'), at())).toBe('standard');
});
