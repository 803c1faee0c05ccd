import { expect, test } from 'vitest';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

const ALL = [0, 1, 2, 3];
const CHANGE = 'members r0:r0 r1:r1 r2:r2 r3:r3 x:x';

test('[R21] a backup votes for no batch that is 2 s off its clock', () => {
  for (const [skewMs, isTaken] of [
    [2_001, false],
    [-2_001, false],
    [2_000, true],
    [-2_000, true],
  ] as const) {
    const alone = new Alone();
    alone.node(1).skewMs = skewMs;
    alone.tell(1, 0, alone.proposal(0, 1, alone.batch('a')));
    expect(alone.view(1).slots).toHaveLength(isTaken ? 1 : 0);
  }
});

test('[R21] f + 1 COMMITs, not f, show that an old batch was timely for q', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  const proposal = alone.proposal(0, 1, batch);
  alone.run(900);
  alone.node(1).skewMs = 5_000;
  const of = { sequence: 1, digest: batch.digest };
  alone.tell(1, 2, alone.vote(2, 'commit', of));
  alone.tell(1, 0, proposal);
  expect(alone.view(1).slots).toMatchObject([{ isProposed: false }]);
  alone.tell(1, 3, alone.vote(3, 'commit', of));
  alone.tell(1, 0, proposal);
  expect(alone.view(1).slots).toMatchObject([{ isProposed: true }]);
});

test('[R21] ledger time never goes back, and a primary that turns it back is executed all the same', () => {
  const cluster = new Cluster();
  cluster.request('a');
  cluster.run(50);
  const before = cluster.node(1).state.head.header.timeMs;
  cluster.node(0).skewMs = -1_500;
  cluster.request('b');
  cluster.run(50);
  expect(cluster.isExecutedBy('b', ALL)).toBe(true);
  expect(cluster.node(1).state.head.header.timeMs).toBe(before);
});

test('[R21] time passes without requests: a batch at least every 10 s', () => {
  const cluster = new Cluster();
  cluster.run(31_000);
  expect(cluster.view(1)).toMatchObject({ executed: 3, view: 0 });
});

test('[R22] a change takes effect after c; the primary fills up to it and stops', () => {
  const cluster = new Cluster({ extra: ['x'] });
  const proposed: number[] = [];
  cluster.fate = (from, _to, message) => {
    if (message.type === 'pre-prepare' && message.vote.epoch === 0) {
      proposed.push(message.vote.sequence);
      expect(from.state.head.sequence).toBeLessThanOrEqual(16);
    }
    return [5];
  };
  cluster.request('a');
  cluster.run(50);
  cluster.request(CHANGE);
  expect(cluster.until(() => ALL.every((i) => cluster.view(i).epoch === 1), 2_000)).toBeLessThan(
    200,
  );
  // Executed at 2, W = 8, K = 8: c = 16.
  expect(Math.max(...proposed)).toBe(16);
  expect(cluster.view(0)).toMatchObject({ epoch: 1, view: 0, stable: 16 });
  cluster.request('b');
  expect(cluster.until(() => cluster.isExecutedBy('b', [0, 1, 2, 3, 4]), 3_000)).toBeLessThan(
    3_000,
  );
  expect(cluster.view(4)).toMatchObject({ epoch: 1, self: 4, votes: true });
});

test('[R22] votes of the old epoch, and a VIEW-CHANGE of it, count no more', () => {
  const cluster = new Cluster();
  const old: Message[] = [];
  cluster.fate = (_from, _to, message) => {
    if (message.type === 'commit' || message.type === 'prepare') old.push(message);
    return [5];
  };
  cluster.request('members r0:r0 r1:r1 r2:r2 r3:r3');
  cluster.until(() => cluster.view(1).epoch === 1, 2_000);
  const before = cluster.node(1).state;
  for (const message of old)
    if ('replica' in message) cluster.inject(1, `r${message.replica}`, message);
  expect(cluster.node(1).state).toBe(before);
});

test('[R22] a view change at the end of an epoch does not lose it', () => {
  for (let ms = 5; ms < 120; ms += 7) {
    const cluster = new Cluster({ n: 5 });
    cluster.request('members r0:r0 r1:r1 r2:r2 r3:r3 r4:r4');
    cluster.run(ms);
    cluster.crash(0);
    cluster.request('b');
    const rest = [1, 2, 3, 4];
    expect(cluster.until(() => cluster.isExecutedBy('b', rest), 20_000)).toBeLessThan(Infinity);
    expect(
      cluster.until(() => rest.every((index) => cluster.view(index).epoch === 1), 40_000),
    ).toBeLessThan(Infinity);
  }
});

test('[R20] who slept through two epochs is led by their certified ends', () => {
  const cluster = new Cluster({ n: 5 });
  cluster.crash(4);
  for (const epoch of [1, 2]) {
    cluster.request(`members r0:r0 r1:r1 r2:r2 r3:r3 r4:r4 e${epoch}:e`);
    cluster.until(() => cluster.view(1).epoch === epoch, 5_000);
  }
  expect(cluster.view(1).epoch).toBe(2);
  cluster.restart(4);
  expect(cluster.until(() => cluster.view(4).epoch === 2, 5_000)).toBeLessThan(Infinity);
  expect(cluster.view(4).headerHash).toBe(cluster.view(1).headerHash);
});
