import { expect, test } from 'vitest';
import {
  SCOPE_ALL,
  SCOPE_DELEGATE,
  SCOPE_ROTATE,
  SCOPE_SPEND,
} from '#lib/ledger/account/codec/bodies.ts';
import { U64_MAX } from '#lib/ledger/account/codec/fields.ts';
import { AMOUNT_MICRO_MAX, KEYS_PER_ACCOUNT_MAX } from '#lib/ledger/account/limits.ts';
import { DAY, HOUR, World, type Ask } from '#tests/support/ledger/world.ts';

interface Terms {
  readonly scope?: number;
  readonly dayLimitMicro?: bigint;
  readonly holdMaxMicro?: bigint;
  readonly expiresAtMs?: bigint;
}

const delegate = (world: World, key: string, terms: Terms & { by?: string } = {}): Ask => ({
  by: terms.by ?? 'ann',
  body: {
    type: 'delegate',
    account: world.id('ann'),
    publicKey: world.key(key),
    scope: BigInt(terms.scope ?? SCOPE_SPEND),
    dayLimitMicro: terms.dayLimitMicro ?? 500n,
    holdMaxMicro: terms.holdMaxMicro ?? 300n,
    expiresAtMs: terms.expiresAtMs ?? world.timeMs + 30n * DAY,
  },
});

const revoke = (world: World, key: string, by = 'ann'): Ask => ({
  by,
  body: { type: 'revoke', account: world.id('ann'), publicKey: world.key(key) },
});

const full = { scope: SCOPE_ALL, expiresAtMs: U64_MAX, dayLimitMicro: AMOUNT_MICRO_MAX } as const;

function withAnn(micro = 2_000n): World {
  const world = new World();
  expect(world.do(world.grant('ann', micro))).toEqual(['ok']);
  return world;
}

let made = 0;

/** A hold of ann's account, signed by another key. */
function holdBy(world: World, key: string, micro: bigint): { id: Uint8Array; ask: Ask } {
  made += 1;
  const id = world.holdId(`hold ${made}`);
  return { id, ask: { ...world.hold(id, 'ann', { amountMicro: micro }), by: key } };
}

test('[A6] a delegate holds within its day limit: held and captured count, what comes back does not', () => {
  const world = withAnn();
  world.do(delegate(world, 'laptop'));
  const [first, second, third] = [300n, 200n, 100n].map((micro) => holdBy(world, 'laptop', micro));
  expect(world.do(first!.ask, second!.ask, third!.ask)).toEqual(['ok', 'ok', 'ledger/over-limit']);
  expect(world.do(world.capture(first!.id, 250n), holdBy(world, 'laptop', 51n).ask)).toEqual([
    'ok',
    'ledger/over-limit',
  ]);
  expect(world.do(world.void(second!.id), holdBy(world, 'laptop', 250n).ask)).toEqual(['ok', 'ok']);
  expect(world.do(holdBy(world, 'laptop', 10n).ask)).toEqual(['ledger/over-limit']);
  world.wait(DAY);
  expect(world.do(holdBy(world, 'laptop', 300n).ask)).toEqual(['ok']);
});

test('[A6] a hold that comes back another day gives that day nothing', () => {
  const world = withAnn();
  world.do(delegate(world, 'laptop'));
  const first = holdBy(world, 'laptop', 300n);
  world.timeMs += DAY - HOUR / 2n;
  const old = holdBy(world, 'laptop', 300n);
  expect(world.do(old.ask)).toEqual(['ok']);
  world.timeMs += HOUR / 2n;
  expect(world.do(holdBy(world, 'laptop', 300n).ask, holdBy(world, 'laptop', 200n).ask)).toEqual([
    'ok',
    'ok',
  ]);
  expect(world.do(world.void(old.id), holdBy(world, 'laptop', 10n).ask)).toEqual([
    'ok',
    'ledger/over-limit',
  ]);
  expect(first.id).not.toEqual(old.id);
});

test('[A6] a delegate stays within the size of a hold and its own end', () => {
  const world = withAnn();
  world.do(delegate(world, 'laptop', { expiresAtMs: world.timeMs + HOUR }));
  expect(world.do(holdBy(world, 'laptop', 301n).ask)).toEqual(['ledger/over-limit']);
  world.wait(HOUR - 1n);
  expect(world.do(holdBy(world, 'laptop', 100n).ask)).toEqual(['ok']);
  world.wait(1n);
  expect(world.do(holdBy(world, 'laptop', 100n).ask)).toEqual(['ledger/not-authorised']);
});

test('[A6] a leaked gateway key takes what is left of its day limit at most, and nothing after REVOKE', () => {
  const world = withAnn();
  world.do(delegate(world, 'gateway'));
  const [taken, open] = [200n, 250n].map((micro) => holdBy(world, 'gateway', micro));
  expect(world.do(taken!.ask, world.capture(taken!.id, 200n), open!.ask)).toEqual([
    'ok',
    'ok',
    'ok',
  ]);
  expect(world.do(holdBy(world, 'gateway', 51n).ask)).toEqual(['ledger/over-limit']);
  expect(
    world.do(
      revoke(world, 'gateway'),
      world.capture(open!.id, 250n),
      holdBy(world, 'gateway', 10n).ask,
    ),
  ).toEqual(['ok', 'ledger/not-authorised', 'ledger/not-authorised']);
  world.wait(HOUR);
  expect(world.account('ann')).toMatchObject({ starterMicro: 1_800n, heldMicro: 0n });
});

test('[A6] a hold by the account’s own key is captured though that key was revoked meanwhile', () => {
  const world = withAnn();
  world.do(delegate(world, 'phone', full));
  const { id, ask } = holdBy(world, 'phone', 100n);
  expect(world.do(ask, revoke(world, 'phone'), world.capture(id, 100n))).toEqual([
    'ok',
    'ok',
    'ok',
  ]);
});

test('[A10] an account keeps its id when its keys change, the first one too', () => {
  const world = withAnn();
  expect(
    world.do(
      delegate(world, 'new key', full),
      revoke(world, 'ann', 'new key'),
      holdBy(world, 'ann', 100n).ask,
      holdBy(world, 'new key', 100n).ask,
      delegate(world, 'ann', { by: 'ann', scope: SCOPE_ALL }),
    ),
  ).toEqual(['ok', 'ok', 'ledger/not-authorised', 'ok', 'ledger/not-authorised']);
  expect(world.account('ann').keys.map(({ publicKey }) => publicKey)).toEqual([
    world.key('new key'),
  ]);
});

test('[A10] the last lasting key that rotates stays', () => {
  const world = withAnn();
  expect(
    world.do(
      revoke(world, 'ann'),
      delegate(world, 'ann', { scope: SCOPE_SPEND }),
      delegate(world, 'ann', { scope: SCOPE_ALL, expiresAtMs: world.timeMs + DAY }),
      delegate(world, 'phone', { scope: SCOPE_ALL, expiresAtMs: world.timeMs + DAY }),
      revoke(world, 'ann', 'phone'),
    ),
  ).toEqual([
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ok',
    'ledger/not-authorised',
  ]);
});

test('[A10] a key that delegates gives no more than it has, and touches no key that may do more', () => {
  const world = withAnn();
  const manager = { scope: SCOPE_SPEND | SCOPE_DELEGATE, dayLimitMicro: 100n, holdMaxMicro: 50n };
  const small = { dayLimitMicro: 100n, holdMaxMicro: 50n, by: 'manager' };
  expect(world.do(delegate(world, 'manager', manager))).toEqual(['ok']);
  expect(
    world.do(
      delegate(world, 'guest', small),
      delegate(world, 'other', { ...small, dayLimitMicro: 101n }),
      delegate(world, 'other', { ...small, holdMaxMicro: 51n }),
      delegate(world, 'other', { ...small, expiresAtMs: world.timeMs + 31n * DAY }),
      delegate(world, 'other', { ...small, scope: SCOPE_DELEGATE }),
      delegate(world, 'other', { ...small, scope: SCOPE_ROTATE }),
      delegate(world, 'ann', small),
      delegate(world, 'manager', small),
      revoke(world, 'ann', 'manager'),
      delegate(world, 'other', { by: 'guest', dayLimitMicro: 1n }),
      revoke(world, 'manager', 'guest'),
      revoke(world, 'guest', 'manager'),
      revoke(world, 'guest', 'manager'),
      revoke(world, 'manager', 'manager'),
    ),
  ).toEqual([
    'ok',
    'ledger/over-limit',
    'ledger/over-limit',
    'ledger/over-limit',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ledger/not-authorised',
    'ok',
    'ledger/not-authorised',
    'ok',
  ]);
});

test('[A10] new terms do not forget what the key used today, and keys have a number', () => {
  const world = withAnn();
  world.do(delegate(world, 'laptop'), holdBy(world, 'laptop', 300n).ask);
  expect(
    world.do(
      delegate(world, 'laptop', { dayLimitMicro: 400n }),
      holdBy(world, 'laptop', 101n).ask,
      holdBy(world, 'laptop', 100n).ask,
      delegate(world, 'late', { expiresAtMs: world.timeMs }),
      {
        ...delegate(world, 'x'),
        body: { ...delegate(world, 'x').body, account: world.id('x') } as Ask['body'],
      },
    ),
  ).toEqual(['ok', 'ledger/over-limit', 'ok', 'ledger/expired', 'ledger/unknown-account']);
  const free = KEYS_PER_ACCOUNT_MAX - world.account('ann').keys.length;
  const codes = world.do(
    ...Array.from({ length: free + 1 }, (_, i) => delegate(world, `key ${i}`)),
  );
  expect(codes).toEqual([...Array<string>(free).fill('ok'), 'ledger/over-limit']);
});

test('[A6] a key struck off and listed again owes nothing for its older holds', () => {
  const world = withAnn();
  world.do(delegate(world, 'laptop'));
  const { id, ask } = holdBy(world, 'laptop', 300n);
  const again = holdBy(world, 'laptop', 20n);
  expect(
    world.do(ask, revoke(world, 'laptop'), delegate(world, 'laptop'), again.ask, world.void(id)),
  ).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  const listed = world.account('ann').keys.find((key) => key.dayLimitMicro === 500n);
  expect(listed?.usedMicro).toBe(0n);
});
