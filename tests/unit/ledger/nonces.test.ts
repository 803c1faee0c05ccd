import { expect, test } from 'vitest';
import { GATEWAY_NONCES_KEPT, NONCES_KEPT } from '#lib/ledger/account/limits.ts';
import { noncePageId } from '#lib/ledger/account/records/kinds.ts';
import { bytes32, DAY, HOUR, World, type Ask } from '#tests/support/ledger/world.ts';

const MINUTE = 60_000n;

function withAnn(): World {
  const world = new World();
  world.do(world.grant('ann', 10_000n));
  return world;
}

const burn = (world: World, more: Partial<Ask> = {}, micro = 1n): Ask => ({
  by: 'ann',
  body: { type: 'burn', account: world.id('ann'), amountMicro: micro },
  ...more,
});

test('[A2] a transaction has its effect once; sent again it has its first result', () => {
  const world = withAnn();
  const bytes = world.sign(burn(world));
  const [first] = world.block([bytes]).results;
  for (let i = 0; i < 3; i += 1)
    expect(world.block([bytes, bytes]).results).toEqual([first, first]);
  expect(world.account('ann').starterMicro).toBe(9_999n);
});

test('[A2] what was refused has used its nonce, and stays refused when it would pass', () => {
  const world = withAnn();
  const id = world.holdId('job');
  const bytes = world.sign(world.hold(id, 'bob'));
  const [first] = world.block([bytes]).results;
  expect(first?.code).toBe('ledger/unknown-account');
  expect(world.do(world.grant('bob'))).toEqual(['ok']);
  expect(world.block([bytes]).results).toEqual([first]);
  expect(world.get('hold', id)).toBe(null);
});

test('[A2] another transaction with a used nonce is refused', () => {
  const world = withAnn();
  expect(world.do(burn(world, { nonce: 7n }), burn(world, { nonce: 7n }, 2n))).toEqual([
    'ok',
    'ledger/id-conflict',
  ]);
});

test('[A2] nonces come in any order with gaps; below the lowest of a full table is too old', () => {
  const world = withAnn();
  const at = (nonce: bigint) => burn(world, { nonce });
  expect(world.do(at(500n), at(3n), at(2n ** 64n - 1n))).toEqual(['ok', 'ok', 'ok']);
  const many = Array.from({ length: NONCES_KEPT - 3 }, (_, i) => at(1_000n + 2n * BigInt(i)));
  expect(new Set(world.do(...many))).toEqual(new Set(['ok']));
  // Full: 3 is the lowest. One more above it, and 3 is forgotten.
  expect(
    world.do(at(2n), at(1_001n), at(3n), at(499n), at(500n), burn(world, { nonce: 500n }, 2n)),
  ).toEqual([
    'ledger/nonce-too-old',
    'ok',
    'ledger/nonce-too-old',
    'ledger/nonce-too-old',
    'ok',
    'ledger/id-conflict',
  ]);
});

test('[A2] a gateway’s table is larger, and each key has its own', () => {
  const world = withAnn();
  const at = (nonce: number) => ({
    ...world.void(bytes32('none').slice(0, 16)),
    nonce: BigInt(nonce),
  });
  const many = Array.from({ length: GATEWAY_NONCES_KEPT - 1 }, (_, i) => at(10_000 + i));
  world.do(...many);
  // Full with the grant's: its nonce is forgotten for 9 400, and then 9 400 is the lowest.
  expect(world.do(at(9_400), at(9_300), burn(world, { nonce: 9_300n }))).toEqual([
    'ledger/unknown-hold',
    'ledger/nonce-too-old',
    'ok',
  ]);
});

test('[A2] a key’s nonces are forgotten with all their pages', () => {
  const world = withAnn();
  const before = world.state.trie.size;
  world.do(
    ...Array.from({ length: NONCES_KEPT + 10 }, (_, i) => burn(world, { nonce: BigInt(i) })),
  );
  const { pages, count } = world.get('nonces', world.key('ann'))!;
  expect([pages.length, count]).toEqual([2, NONCES_KEPT]);
  expect(world.state.trie.size).toBe(before + 1 + pages.length);
  world.wait(90n * DAY);
  expect(world.get('nonces', world.key('ann'))).toBe(null);
  for (const from of pages) {
    expect(world.get('nonce-page', noncePageId(world.key('ann'), from))).toBe(null);
  }
});

test('[A2] a transaction is valid up to its instant, and no longer ahead than ten minutes', () => {
  const world = withAnn();
  const until = (validUntilMs: bigint) => burn(world, { validUntilMs });
  expect(
    world.do(
      until(world.timeMs - 1n),
      until(world.timeMs),
      until(world.timeMs + 10n * MINUTE),
      until(world.timeMs + 10n * MINUTE + 1n),
    ),
  ).toEqual(['ledger/expired', 'ok', 'ok', 'ledger/over-limit']);
});

test('[A2] a stranger’s nonces are kept as long as its transactions are valid, the last instant included', () => {
  const world = withAnn();
  const validUntilMs = world.timeMs + 5n * MINUTE;
  const id = world.holdId('job');
  const bytes = world.sign({ ...world.hold(id, 'bob'), validUntilMs });
  const codes = () => world.block([bytes]).results.map(({ code }) => code);
  expect(codes()).toEqual(['ledger/unknown-account']);
  world.do(world.grant('bob'));
  world.timeMs = validUntilMs;
  expect(codes()).toEqual(['ledger/unknown-account']);
  world.wait(1n);
  expect(world.get('nonces', world.key('bob'))).toBe(null);
  expect(codes()).toEqual(['ledger/expired']);
});

test('[A2] a key that acted is remembered for 90 days', () => {
  const world = withAnn();
  const bytes = world.sign(burn(world));
  const [first] = world.block([bytes]).results;
  world.wait(90n * DAY - HOUR);
  expect(world.block([bytes]).results).toEqual([first]);
  world.wait(HOUR);
  expect(world.get('nonces', world.key('ann'))).toBe(null);
});

test('[A2] 10⁴ fresh keys leave nothing behind', () => {
  const world = withAnn();
  const { size } = world.state.trie;
  const id = world.holdId('job');
  for (let i = 0; i < 10; i += 1) {
    const asks = Array.from({ length: 1_000 }, (_, j) => ({
      ...world.hold(id, 'ann'),
      by: `key ${i} ${j}`,
    }));
    expect(new Set(world.do(...asks))).toEqual(new Set(['ledger/not-authorised']));
  }
  expect(world.state.trie.size).toBe(size + 10_000);
  world.wait(11n * MINUTE);
  for (let i = 0; i < 10; i += 1) world.wait(0n);
  expect(world.state.trie.size).toBe(size);
});
