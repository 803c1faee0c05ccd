import { expect, test } from 'vitest';
import { evidenceHolds } from '#lib/ledger/pbft/evidence.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { electorateOf } from '#lib/ledger/pbft/signatures.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

test('[R23] two proposals, votes or SEALs of one key for one place convict it', () => {
  const alone = new Alone();
  const [a, b] = [alone.batch('a'), alone.batch('b')];
  const of = electorateOf(alone.node(1).state);
  for (const batch of [a, b]) {
    alone.tell(1, 0, alone.proposal(0, 1, batch));
    alone.tell(1, 2, alone.vote(2, 'prepare', { sequence: 1, digest: batch.digest }));
    alone.tell(1, 3, alone.seal(3, 8, batch.digest));
  }
  const { evidence } = alone.node(1);
  expect(evidence.map(({ kind, replica }) => [kind, replica])).toEqual([
    ['pre-prepare', 0],
    ['prepare', 2],
    ['seal', 3],
  ]);
  for (const each of evidence) {
    expect(evidenceHolds(of, each)).toBe(true);
    expect(evidenceHolds(of, { ...each, replica: 1 })).toBe(false);
    expect(evidenceHolds(of, { ...each, second: each.first })).toBe(false);
    const forged = Uint8Array.from(each.second);
    forged[30]! ^= 1;
    expect(evidenceHolds(of, { ...each, second: forged })).toBe(false);
    expect(evidenceHolds(of, { ...each, second: new Uint8Array(3) })).toBe(false);
  }
  // The first proposal stands, and the second vote of a pair counts for nothing.
  expect(alone.view(1).slots[0]).toMatchObject({ isProposed: true, prepares: 1 });
});

test('[R23] halves are told different batches: nobody executes two, and the primary is convicted', () => {
  const cluster = new Cluster({ twins: ['r0'] });
  // r1 and r3 hear one instance, r2 the other.
  cluster.fate = (from, to) => {
    if (from.name !== 'r0') return [5];
    const isSecond = from === cluster.node(4);
    return (to === cluster.node(2)) === isSecond ? [5] : [];
  };
  cluster.request('a', [0, 1, 2, 3]);
  cluster.request('b', [4, 1, 2, 3]);
  expect(
    cluster.until(() => ['a', 'b'].every((name) => cluster.isExecutedBy(name, [1, 3])), 20_000),
  ).toBeLessThan(Infinity);
  cluster.run(1_000);
  const convicted = [1, 2, 3].flatMap((index) => cluster.node(index).evidence);
  expect(convicted.map(({ kind, replica }) => [kind, replica])).toContainEqual(['pre-prepare', 0]);
});

test('[R24] one client holds no more than its share of what waits', () => {
  const alone = new Alone();
  for (let i = 0; i < LIMITS.pendingPerLinkMax + 50; i += 1) alone.request(`a${i}`, [1]);
  expect(alone.view(1).pending).toBe(LIMITS.pendingPerLinkMax);
});

test('[R24] a flood of votes far from the window, or for many views, takes no memory', () => {
  const alone = new Alone();
  const { digest } = alone.batch('a');
  for (let i = 0; i < 2_000; i += 1) {
    alone.tell(1, 3, alone.vote(3, 'commit', { sequence: 17 + i, digest }));
    alone.tell(1, 3, alone.vote(3, 'commit', { sequence: 5, digest, view: i }));
    alone.tell(1, 3, alone.seal(3, 24 + 8 * i, digest));
  }
  expect(alone.view(1).slots).toMatchObject([{ sequence: 5, commits: 1 }]);
  expect(alone.node(1).state.seals.size).toBe(0);
});

test('[R24] STATUS and FETCH are answered a few times a beat', () => {
  const cluster = new Cluster();
  cluster.request('a');
  cluster.run(20);
  const { state } = cluster.node(1);
  const digest = state.head.header.batchDigest;
  const status = {
    ...{ type: 'status' as const, epoch: 0, view: 0, isChanging: false },
    ...{ executed: 0, stable: 0 },
  };
  let sent = 0;
  cluster.fate = (from) => {
    if (from === cluster.node(1)) sent += 1;
    return [];
  };
  for (let i = 0; i < 1_000; i += 1) {
    cluster.inject(1, 'r2', { type: 'fetch', digest });
    cluster.inject(1, 'r2', status);
    cluster.inject(1, 'r2', { type: 'fetch-state', epoch: 0, above: 0 });
  }
  expect(sent).toBeLessThanOrEqual(LIMITS.fetchesPerPeerMax + 20);
  expect(sent).toBeGreaterThan(0);
});

test('[R24] who never gets the state keeps no more than L behind what is proven', () => {
  const alone = new Alone();
  const headerHash = new Uint8Array(32).fill(7);
  const { digest } = alone.batch('a');
  for (let sequence = 8; sequence <= 160; sequence += 8) {
    for (let slot = sequence - 7; slot <= sequence; slot += 1)
      alone.tell(1, 2, alone.vote(2, 'commit', { sequence: slot, digest }));
    for (const by of [0, 2, 3]) alone.tell(1, by, alone.seal(by, sequence, headerHash));
  }
  expect(alone.view(1)).toMatchObject({ executed: 0, ahead: 160 });
  expect(alone.view(1).slots.length).toBeLessThanOrEqual(16);
  expect(alone.node(1).state.seals.size).toBeLessThanOrEqual(2);
});
