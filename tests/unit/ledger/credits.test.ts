import { expect, test } from 'vitest';
import { spendable } from '#lib/ledger/account/accounts.ts';
import { AMOUNT_MICRO_MAX, SUPPLY_MICRO } from '#lib/ledger/account/limits.ts';
import { HOLD_CAPTURED, HOLD_EXPIRED } from '#lib/ledger/account/records/records.ts';
import { bytes32, DAY, HOUR, World } from '#tests/support/ledger/world.ts';

const MINUTE = 60_000n;

/** What a person has, in buckets. */
function buckets(world: World, name: string) {
  const { starterMicro, earnedMicro, maturingMicro, heldMicro } = world.account(name);
  return { starterMicro, earnedMicro, maturingMicro, heldMicro };
}

/** `ann` with 1 000 starter credit, and more that she earned a week ago. */
function withAnn(earnedMicro = 0n): World {
  const world = new World();
  if (earnedMicro > 0n) {
    const job = world.pot('payer', 10_000n);
    const shares = [{ worker: world.key('ann'), flops: 10n ** 12n }];
    expect(world.do(world.mint(job, { potMicro: earnedMicro, shares }))).toEqual(['ok']);
    world.wait(8n * DAY);
  }
  expect(world.do(world.grant('ann', 1_000n))).toEqual(['ok']);
  return world;
}

test('[A9] a grant comes from the treasury, once per account, as often and as much as its gateway may', () => {
  const world = new World();
  expect(world.do(world.grant('ann', 1_000n))).toEqual(['ok']);
  expect(world.totals.treasuryMicro).toBe(SUPPLY_MICRO - 1_000n);
  expect(buckets(world, 'ann').starterMicro).toBe(1_000n);
  expect(
    world.do(
      world.grant('ann', 1_000n),
      { ...world.grant('bob'), by: 'ann' },
      { ...world.grant('bob'), by: 'operator 0' },
      world.grant('bob', 10_001n),
      world.grant('bob', 5n, world.timeMs),
    ),
  ).toEqual([
    'ledger/id-conflict',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/over-limit',
    'ledger/expired',
  ]);
  const many = Array.from({ length: 100 }, (_, i) => world.grant(`guest ${i}`, 5n));
  const codes = world.do(...many);
  expect(codes.slice(0, 99)).toEqual(Array(99).fill('ok'));
  expect(codes[99]).toBe('ledger/over-limit');
  world.wait(DAY);
  expect(world.do(world.grant('guest 99', 5n))).toEqual(['ok']);
});

test('[A9] a fresh key has nothing, and is no account', () => {
  const world = new World();
  const id = world.holdId('first');
  expect(world.do(world.hold(id, 'nobody'), world.grant('ann'))).toEqual([
    'ledger/unknown-account',
    'ok',
  ]);
  expect(world.get('account', world.id('nobody'))).toBe(null);
});

test('[A4] a hold takes starter credit first, and gives every part back where it came from', () => {
  const world = withAnn(2_000n);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 1_000n, earnedMicro: 2_000n });
  const id = world.holdId('job');
  expect(world.do(world.hold(id, 'ann', { amountMicro: 1_500n }))).toEqual(['ok']);
  expect(buckets(world, 'ann')).toEqual({
    starterMicro: 0n,
    earnedMicro: 1_500n,
    maturingMicro: 0n,
    heldMicro: 1_500n,
  });
  expect(world.do(world.void(id))).toEqual(['ok']);
  expect(buckets(world, 'ann')).toEqual({
    starterMicro: 1_000n,
    earnedMicro: 2_000n,
    maturingMicro: 0n,
    heldMicro: 0n,
  });
});

test('[A4] a capture uses starter credit first, as the hold did', () => {
  for (const [micro, starterMicro, earnedMicro] of [
    [400n, 600n, 2_000n],
    [1_200n, 0n, 1_800n],
  ] as const) {
    const world = withAnn(2_000n);
    const id = world.holdId('job');
    world.do(world.hold(id, 'ann', { amountMicro: 1_500n }));
    expect(world.do(world.capture(id, micro))).toEqual(['ok']);
    expect(buckets(world, 'ann')).toMatchObject({ starterMicro, earnedMicro, heldMicro: 0n });
  }
});

test('[A4] what a capture leaves of starter credit keeps its old expiry; what expired is the treasury’s', () => {
  const world = new World();
  const expiresAtMs = world.timeMs + 2n * HOUR;
  const [early, late] = [world.holdId('early'), world.holdId('late')];
  const holdUntil = world.timeMs + 3n * HOUR;
  world.do(
    world.grant('ann', 1_000n, expiresAtMs),
    world.hold(early, 'ann', { amountMicro: 400n, expiresAtMs: holdUntil }),
    world.hold(late, 'ann', { amountMicro: 300n, expiresAtMs: holdUntil }),
  );
  world.do(world.capture(early, 100n));
  expect(world.account('ann')).toMatchObject({
    starterMicro: 600n,
    starterExpiresAtMs: expiresAtMs,
    heldMicro: 300n,
  });
  world.wait(2n * HOUR);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 0n, heldMicro: 300n });
  const before = world.totals.treasuryMicro;
  expect(world.do(world.capture(late, 100n))).toEqual(['ok']);
  expect(world.totals.treasuryMicro).toBe(before + 200n);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 0n, heldMicro: 0n });
});

test('[A4] expired starter credit pays nothing, swept or not', () => {
  const world = new World();
  const expiresAtMs = world.timeMs + HOUR;
  world.do(world.grant('ann', 1_000n, expiresAtMs));
  const account = world.account('ann');
  expect(spendable(account, expiresAtMs - 1n)).toBe(1_000n);
  expect(spendable(account, expiresAtMs)).toBe(0n);
  const before = world.totals.treasuryMicro;
  world.timeMs += HOUR;
  expect(world.do(world.hold(world.holdId('late'), 'ann'))).toEqual(['ledger/insufficient-credit']);
  expect(world.totals.treasuryMicro).toBe(before + 1_000n);
});

test('[A4] one balance pays one of two holds, whichever comes first', () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const world = withAnn();
    const asks = ['a', 'b'].map((name) =>
      world.hold(world.holdId(name), 'ann', { amountMicro: 700n }),
    );
    expect(world.do(...order.map((i) => asks[i]!))).toEqual(['ok', 'ledger/insufficient-credit']);
  }
});

test('[A4] a hold stays within amounts, times and the age of its id', () => {
  const world = withAnn();
  const from = (ms: bigint) => ({ expiresAtMs: world.timeMs + ms });
  const id = world.holdId('bounds');
  const { timeMs } = world;
  world.timeMs = timeMs - 10n * MINUTE - 1n;
  const old = world.holdId('old');
  world.timeMs = timeMs + 10n * MINUTE + 1n;
  const early = world.holdId('early');
  world.timeMs = timeMs;
  expect(
    world.do(
      world.hold(id, 'ann', from(MINUTE - 1n)),
      world.hold(id, 'ann', from(DAY + 1n)),
      world.hold(id, 'ann', { amountMicro: 9n }),
      world.hold(id, 'ann', { amountMicro: AMOUNT_MICRO_MAX }),
      world.hold(id, 'ann', { gateway: world.key('ann') }),
      world.hold(old, 'ann'),
      world.hold(early, 'ann'),
      { ...world.hold(id, 'ann'), by: 'bob' },
      world.hold(id, 'ann', from(MINUTE)),
      world.hold(world.holdId('long'), 'ann', from(DAY)),
    ),
  ).toEqual([
    'ledger/expired',
    'ledger/over-limit',
    'ledger/over-limit',
    'ledger/insufficient-credit',
    'ledger/not-authorised',
    'ledger/expired',
    'ledger/over-limit',
    'ledger/not-authorised',
    'ok',
    'ok',
  ]);
});

test('[A5] one capture closes a hold: the same again has its result, another is a conflict', () => {
  const world = withAnn();
  const id = world.holdId('job');
  const ask = world.hold(id, 'ann');
  const [held] = world.results(ask);
  expect(world.results(ask)).toMatchObject([{ code: 'ok', sequence: held?.sequence }]);
  expect(
    world.do(
      world.hold(id, 'ann', { amountMicro: 101n }),
      world.hold(id, 'ann', { gateway: world.key('other gateway') }),
      world.capture(id, 101n),
      world.capture(id, 50n, 'other gateway'),
      world.void(id, 'ann'),
      world.capture(bytes32('none').slice(0, 16), 1n),
    ),
  ).toEqual([
    'ledger/id-conflict',
    'ledger/id-conflict',
    'ledger/over-hold',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/unknown-hold',
  ]);
  const [captured] = world.results(world.capture(id, 60n));
  expect(captured?.code).toBe('ok');
  const [again, other, voided] = world.results(
    world.capture(id, 60n),
    world.capture(id, 59n),
    world.void(id),
  );
  expect(again).toMatchObject({ code: 'ok', sequence: captured?.sequence });
  expect([other?.code, voided?.code]).toEqual(['ledger/id-conflict', 'ledger/hold-closed']);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 940n, heldMicro: 0n });
});

test('[A5] a voided hold is closed', () => {
  const world = withAnn();
  const id = world.holdId('job');
  world.do(world.hold(id, 'ann'));
  const [first] = world.results(world.void(id));
  const [again, captured, held] = world.results(
    world.void(id),
    world.capture(id, 1n),
    world.hold(id, 'ann'),
  );
  expect(again).toMatchObject({ code: 'ok', sequence: first?.sequence });
  expect([captured?.code, held?.code]).toEqual(['ledger/hold-closed', 'ok']);
  expect(buckets(world, 'ann')).toMatchObject({ starterMicro: 1_000n, heldMicro: 0n });
});

test('[A5] a hold is expired from its instant on, swept or not', () => {
  for (const late of [0n, 1n]) {
    const world = withAnn();
    const id = world.holdId('job');
    world.do(world.hold(id, 'ann', { expiresAtMs: world.timeMs + HOUR }));
    world.timeMs += HOUR - 1n + late;
    const expected = late === 0n ? 'ok' : 'ledger/hold-expired';
    expect(world.do(world.capture(id, 100n))).toEqual([expected]);
    const status = late === 0n ? HOLD_CAPTURED : HOLD_EXPIRED;
    expect(world.get('hold', id)?.status).toBe(status);
    if (late === 1n) expect(world.do(world.void(id))).toEqual(['ledger/hold-expired']);
  }
});

test('[A5] an id is used up for ever: remembered until it is too old to be used again', () => {
  const world = withAnn();
  const id = world.holdId('job');
  world.do(world.hold(id, 'ann'), world.void(id));
  world.wait(HOUR - 1n);
  expect(world.get('hold', id)).not.toBe(null);
  world.wait(1n);
  expect(world.get('hold', id)).toBe(null);
  expect(world.do(world.hold(id, 'ann'), world.void(id))).toEqual([
    'ledger/expired',
    'ledger/unknown-hold',
  ]);
});

test('[A7] a capture fills the pot less the burn; a day later the treasury has what is left', () => {
  const world = new World();
  const job = world.pot('payer', 999n);
  // 1 % of 999, rounded up.
  expect(world.get('pot', job)).toMatchObject({ micro: 989n });
  expect(world.totals).toMatchObject({ burnMicro: 10n, potsMicro: 989n, holdsMicro: 0n });
  const before = world.totals.treasuryMicro;
  world.wait(DAY - 1n);
  expect(world.get('pot', job)).not.toBe(null);
  world.wait(1n);
  expect(world.get('pot', job)).toBe(null);
  expect(world.totals.treasuryMicro).toBe(before + 989n);
  expect(world.do(world.mint(job))).toEqual(['ledger/unknown-hold']);
});

test('[A8] shares round down, the remainder burns, and nobody is paid twice for a chunk', () => {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  const { burnMicro } = world.totals;
  const shares = ['a', 'b', 'c'].map((name) => ({ worker: world.key(name), flops: 10n ** 12n }));
  expect(world.do(world.mint(job, { potMicro: 100n, shares }))).toEqual(['ok']);
  expect(['a', 'b', 'c'].map((name) => world.account(name).earnedMicro)).toEqual([17n, 17n, 17n]);
  expect(['a', 'b', 'c'].map((name) => world.account(name).maturingMicro)).toEqual([16n, 16n, 16n]);
  expect(world.totals.burnMicro).toBe(burnMicro + 1n);
  const [one, two] = [shares.slice(0, 1), shares.slice(1, 2)];
  expect(
    world.do(
      world.mint(job, { shares: one }),
      world.mint(job, { shares: [...two, ...two], chunk: 1n }),
      world.mint(job, { shares: one, chunk: 1n }),
      world.mint(job, { shares: one, segment: 1n }),
      world.mint(job, { shares: one, segment: 1n }),
    ),
  ).toEqual(['ledger/id-conflict', 'ledger/id-conflict', 'ok', 'ok', 'ledger/id-conflict']);
});

test('[A8] only the pot’s gateway mints, within the pot, the FLOPs and its subsidy of the day', () => {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  const shares = [{ worker: world.key('worker'), flops: 10n ** 12n }];
  const small = [{ worker: world.key('worker'), flops: 10n ** 6n }];
  const treasury = world.totals.treasuryMicro;
  expect(
    world.do(
      { ...world.mint(job), by: 'other gateway' },
      { ...world.mint(job), by: 'payer' },
      world.mint(job, { potMicro: 991n }),
      world.mint(job, { potMicro: 0n, subsidyMicro: 0n }),
      world.mint(job, { potMicro: 2n, shares: small }),
      world.mint(job, { subsidyMicro: 5_001n }),
      world.mint(job, { potMicro: 0n, subsidyMicro: 5_000n, shares }),
      world.mint(job, { chunk: 1n, subsidyMicro: 1n }),
    ),
  ).toEqual([
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/insufficient-credit',
    'ledger/over-limit',
    'ledger/over-limit',
    'ledger/over-limit',
    'ok',
    'ledger/over-limit',
  ]);
  expect(world.totals.treasuryMicro).toBe(treasury - 5_000n);
  expect(world.account('worker')).toMatchObject({ earnedMicro: 2_500n, maturingMicro: 2_500n });
});

test('[A8] a share of nothing makes no account', () => {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  const shares = [
    { worker: world.key('strong'), flops: 10n ** 12n },
    { worker: world.key('weak'), flops: 1n },
  ];
  expect(world.do(world.mint(job, { potMicro: 10n, shares }))).toEqual(['ok']);
  expect(world.get('account', world.id('weak'))).toBe(null);
});

test('[A1] burnt credit is gone, and the supply is what it was', () => {
  const world = withAnn();
  const { burnMicro } = world.totals;
  const body = { type: 'burn', account: world.id('ann'), amountMicro: 300n } as const;
  expect(
    world.do(
      { by: 'ann', body },
      { by: 'bob', body },
      { by: 'ann', body: { ...body, amountMicro: 701n } },
    ),
  ).toEqual(['ok', 'ledger/not-authorised', 'ledger/insufficient-credit']);
  expect(world.totals.burnMicro).toBe(burnMicro + 300n);
  expect(buckets(world, 'ann').starterMicro).toBe(700n);
});
