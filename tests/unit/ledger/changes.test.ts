import { expect, test } from 'vitest';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import type { BodyOf, Change } from '#lib/ledger/account/codec/bodies.ts';
import { lastOfEpoch } from '#lib/ledger/account/epochs.ts';
import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { AMOUNT_MICRO_MAX } from '#lib/ledger/account/limits.ts';
import { DAY, OPERATORS, World, type Ask } from '#tests/support/ledger/world.ts';

const by = (name: string, body: Change): Ask => ({ by: name, body });

const registration = (world: World, more: Partial<BodyOf<'register-gateway'>> = {}) =>
  world.change<BodyOf<'register-gateway'>>({
    type: 'register-gateway',
    publicKey: world.key('new gateway'),
    grantsPerDay: 3n,
    grantMicroMax: 50n,
    subsidyPerDayMicro: 0n,
    ...more,
  });

const addition = (world: World, name: string, operators?: readonly string[]) =>
  world.change<BodyOf<'add-replica'>>(
    {
      type: 'add-replica',
      operatorKey: world.key(`operator ${name}`),
      voteKey: world.key(`vote ${name}`),
      transportKey: world.key(`transport ${name}`),
      address: utf8('10.0.0.5:4000'),
    },
    operators,
  );

const removal = (world: World, operator: string, operators?: readonly string[]) =>
  world.change<BodyOf<'remove-replica'>>(
    { type: 'remove-replica', operatorKey: world.key(operator) },
    operators,
  );

const rotation = (world: World, operator: string, voteKey: string) =>
  world.change<BodyOf<'rotate-replica'>>({
    type: 'rotate-replica',
    operatorKey: world.key(operator),
    voteKey: world.key(voteKey),
    transportKey: world.key(`transport of ${voteKey}`),
  });

test('[A12] a quorum is ⌈(n + f + 1) / 2⌉', () => {
  const all = Array.from({ length: 10 }, (_, i) => quorumOf(i + 4));
  expect(all).toEqual([3, 4, 4, 5, 6, 6, 7, 8, 8, 9]);
});

test('[A12] an epoch ends at the first multiple of K that is W or more away', () => {
  const world = new World({ checkpointInterval: 8n, window: 4n });
  const { parameters } = world.constitution;
  const ends = [1n, 4n, 5n, 8n, 12n, 13n].map((sequence) => lastOfEpoch(sequence, parameters));
  expect(ends).toEqual([8n, 8n, 16n, 16n, 16n, 24n]);
});

test('[A12] a change has its effect after the last block of its epoch, and not before', () => {
  const world = new World();
  const before = world.block([]).roots.nextMembersHash;
  expect(world.do(by('operator 0', registration(world)))).toEqual(['ok']);
  const grant = () => ({ ...world.grant(`g ${world.sequence}`, 50n), by: 'new gateway' });
  for (let sequence = 3n; sequence <= 8n; sequence += 1n) {
    expect(world.do(grant())).toEqual(['ledger/not-authorised']);
  }
  expect(world.constitution).toMatchObject({ epoch: 1n, pending: [] });
  expect(world.do(grant())).toEqual(['ok']);
  expect(toHex(world.block([]).roots.nextMembersHash)).not.toBe(toHex(before));
});

test('[A12] it takes a quorum of operators and one of them as sender, in the epoch it names', () => {
  const world = new World();
  const two = world.change<BodyOf<'remove-replica'>>(
    { type: 'remove-replica', operatorKey: world.key('operator 3') },
    [OPERATORS[0], OPERATORS[1], 'stranger'],
  );
  const later = registration(world, { epoch: 1n });
  expect(
    world.do(
      by('operator 0', two),
      by('stranger', registration(world)),
      by('operator 0', later),
      by('operator 0', registration(world)),
      by('operator 1', registration(world)),
    ),
  ).toEqual([
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/expired',
    'ok',
    'ledger/id-conflict',
  ]);
  const old = registration(world, { grantsPerDay: 9n });
  world.toNextEpoch();
  expect(world.do(by('operator 0', old), by('operator 0', later))).toEqual([
    'ledger/expired',
    'ok',
  ]);
});

test('[A12] replicas come, go and change keys; below four is refused, what waits counted', () => {
  const world = new World();
  expect(world.do(by('operator 0', removal(world, 'operator 3')))).toEqual(['ledger/over-limit']);
  expect(
    world.do(
      by('operator 0', addition(world, '4')),
      by('operator 0', removal(world, 'operator 3')),
      by('operator 0', removal(world, 'operator 2')),
      by('operator 0', removal(world, 'operator 9')),
      by('operator 0', addition(world, '4')),
    ),
  ).toEqual(['ok', 'ok', 'ledger/over-limit', 'ledger/unknown-account', 'ledger/id-conflict']);
  expect(world.constitution.replicas).toHaveLength(4);
  world.toNextEpoch();
  const operators = world.constitution.replicas.map(({ operatorKey }) => toHex(operatorKey));
  expect(operators).toEqual(
    ['operator 0', 'operator 1', 'operator 2', 'operator 4'].map((name) => toHex(world.key(name))),
  );
  const rotated = rotation(world, 'operator 4', 'vote 4 again');
  expect(world.do(by('operator 4', rotated))).toEqual(['ok']);
  world.toNextEpoch();
  expect(world.constitution.replicas[3]).toMatchObject({ voteKey: world.key('vote 4 again') });
});

test('[A12] a vote key is never used again, by its own replica neither', () => {
  const world = new World();
  expect(
    world.do(
      by('operator 1', rotation(world, 'operator 1', 'vote 1')),
      by('operator 1', rotation(world, 'operator 1', 'vote 0')),
      by('operator 1', rotation(world, 'operator 1', 'operator 2')),
      by('operator 1', rotation(world, 'operator 1', 'fresh')),
    ),
  ).toEqual(['ledger/id-conflict', 'ledger/id-conflict', 'ledger/id-conflict', 'ok']);
  world.toNextEpoch();
  expect(world.do(by('operator 1', rotation(world, 'operator 1', 'vote 1')))).toEqual([
    'ledger/id-conflict',
  ]);
});

test('[A12] parameters change together, within what replicas can keep', () => {
  const world = new World();
  const set = (more: Partial<BodyOf<'set-parameters'>>) =>
    world.change<BodyOf<'set-parameters'>>({
      type: 'set-parameters',
      ...world.genesis.parameters,
      ...more,
    });
  expect(
    world.do(
      by('operator 0', set({ logWindow: 15n })),
      by('operator 0', set({ window: 17n })),
      by('operator 0', set({ burnPpm: 500_000n })),
    ),
  ).toEqual(['ledger/over-limit', 'ledger/over-limit', 'ok']);
  world.toNextEpoch();
  expect(world.constitution.parameters).toEqual({ ...world.genesis.parameters, burnPpm: 500_000n });
  const job = world.pot('payer', 1_000n);
  expect(world.get('pot', job)).toMatchObject({ micro: 500n });
});

test('[A18] a revoked gateway does nothing more, and what it attested since returns unmatured', () => {
  const world = new World();
  const revocation = (sinceDay: bigint, name = 'gateway') =>
    world.change<BodyOf<'revoke-gateway'>>({
      type: 'revoke-gateway',
      publicKey: world.key(name),
      sinceDay,
    });
  const today = () => world.timeMs / DAY;
  const first = world.pot('payer', 1_000n);
  world.do(world.mint(first, { potMicro: 200n }));
  world.wait(DAY);
  const second = world.pot('second payer', 1_000n);
  world.do(world.mint(second, { potMicro: 400n }));
  const open = world.holdId('open');
  world.do(world.grant('ann', 500n), world.hold(open, 'ann'));
  expect(world.account('worker')).toMatchObject({ earnedMicro: 300n, maturingMicro: 300n });
  expect(
    world.do(
      by('operator 0', revocation(today(), 'stranger')),
      by('operator 0', revocation(today())),
    ),
  ).toEqual(['ledger/unknown-account', 'ok']);
  world.toNextEpoch();
  expect(
    world.do(
      world.grant('late'),
      world.mint(second, { chunk: 1n }),
      world.capture(open, 10n),
      world.hold(world.holdId('next'), 'ann'),
      by('operator 0', registration(world, { publicKey: world.key('gateway') })),
      world.void(open),
    ),
  ).toEqual([
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ok',
  ]);
  const treasury = () => world.totals.treasuryMicro;
  world.wait(6n * DAY);
  const before = treasury();
  expect(world.account('worker')).toMatchObject({ earnedMicro: 400n, maturingMicro: 200n });
  world.wait(DAY);
  expect(world.account('worker')).toMatchObject({ earnedMicro: 400n, maturingMicro: 0n });
  expect(treasury()).toBe(before + 200n);
});

test('[A9] the treasury gives no more than it has', () => {
  const world = new World();
  const grantMicroMax = AMOUNT_MICRO_MAX;
  world.do(by('operator 0', registration(world, { grantMicroMax })));
  world.toNextEpoch();
  const grant = (name: string, micro: bigint) => ({
    ...world.grant(name, micro),
    by: 'new gateway',
  });
  expect(world.do(grant('rich', AMOUNT_MICRO_MAX), grant('late', 2n), grant('lucky', 1n))).toEqual([
    'ok',
    'ledger/insufficient-credit',
    'ok',
  ]);
  expect(world.totals.treasuryMicro).toBe(0n);
});
