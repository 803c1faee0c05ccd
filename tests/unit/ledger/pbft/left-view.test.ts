import { expect, test } from 'vitest';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster, type Node } from '#tests/support/replica-cluster.ts';

const ALL = [0, 1, 2, 3];

/** r3 was parted from the others until it left view 0, alone; they go on in it. */
function leftAlone(): Cluster {
  const cluster = new Cluster();
  const parted = cluster.node(3);
  const { fate } = cluster;
  cluster.fate = (from, to) => (from === parted || to === parted ? [] : [5]);
  cluster.request('before');
  cluster.until(() => cluster.view(3).phase === 'changing', 5_000);
  expect(cluster.view(3)).toMatchObject({ view: 1, phase: 'changing', executed: 0 });
  cluster.fate = fate;
  return cluster;
}

/** What r3 votes, of whatever view. */
function votesOf(cluster: Cluster): Message[] {
  const votes: Message[] = [];
  const { fate } = cluster;
  cluster.fate = (from: Node, to: Node, message: Message) => {
    if (from === cluster.node(3) && (message.type === 'prepare' || message.type === 'commit'))
      votes.push(message);
    return fate(from, to, message);
  };
  return votes;
}

test('[R26] who left its view alone is told what was committed meanwhile, and executes it', () => {
  const cluster = leftAlone();
  const votes = votesOf(cluster);
  // A beat of T / 4, an answer to its STATUS, and the batch.
  expect(cluster.until(() => cluster.isExecutedBy('before', ALL), 5_000)).toBeLessThan(350);
  expect(cluster.view(3)).toMatchObject({ view: 1, phase: 'changing', stable: 0 });
  expect(votes).toEqual([]);
});

test('[R26] it keeps up with the others without a checkpoint, and votes in no view but its own', () => {
  const cluster = leftAlone();
  cluster.run(500);
  const votes = votesOf(cluster);
  const fetched = cluster.sent.get('fetch');
  for (const name of ['a', 'b', 'c']) {
    cluster.request(name);
    expect(cluster.until(() => cluster.isExecutedBy(name, ALL), 5_000)).toBeLessThan(50);
  }
  // The batches came with their proposals.
  expect(cluster.sent.get('fetch')).toBe(fetched);
  expect(cluster.view(3)).toMatchObject({ view: 1, phase: 'changing', executed: 4, stable: 0 });
  expect(votes).toEqual([]);
  cluster.crash(0);
  cluster.request('d');
  expect(cluster.until(() => cluster.isExecutedBy('d', [1, 2, 3]), 5_000)).toBeLessThan(Infinity);
  expect(votes).not.toEqual([]);
});

test('[R26] q COMMITs of one view below prove a slot; of two views, batches or short of q, nothing', () => {
  const alone = new Alone({ n: 5 });
  alone.run(5_000);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing' });
  const { state } = alone.node(1);
  alone.node(1).state = { ...state, view: 4 };
  const [batch, other] = [alone.batch('a'), alone.batch('b')];
  const commit = (by: number, view: number, { digest } = batch): void => {
    alone.tell(1, by, alone.vote(by, 'commit', { sequence: 1, view, digest }));
  };
  const isCommitted = (): boolean | undefined => alone.view(1).slots[0]?.isCommitted;
  // n = 5, q = 4.
  for (const by of [0, 2, 3]) commit(by, 2);
  for (let i = 0; i < 3; i += 1) commit(0, 2);
  commit(4, 2, other);
  expect(isCommitted()).toBe(false);
  for (const by of [4, 0, 2]) {
    commit(by, 3);
    expect(isCommitted()).toBe(false);
  }
  commit(3, 3);
  expect(alone.view(1).slots).toMatchObject([{ commits: 4, isCommitted: true }]);
  // Its batch is asked of one who said COMMIT, and only that batch is taken.
  expect(alone.view(1).executed).toBe(0);
  alone.tell(1, 0, { type: 'body', batch: other.bytes });
  expect(alone.view(1).executed).toBe(0);
  alone.tell(1, 0, { type: 'body', batch: batch.bytes });
  expect(alone.view(1).executed).toBe(1);
});

test('[R26] PREPAREs of a view below prove nothing, and take no room', () => {
  const alone = new Alone();
  alone.run(1_100);
  const before = alone.node(1).state;
  const { digest } = alone.batch('a');
  for (const by of [2, 3]) alone.tell(1, by, alone.vote(by, 'prepare', { sequence: 1, digest }));
  expect(alone.node(1).state).toBe(before);
});

test('[R26] COMMITs that come after the view was left count with those from before', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  const of = { sequence: 1, digest: batch.digest };
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  for (const by of [0, 2]) alone.tell(1, by, alone.vote(by, 'commit', of));
  alone.run(1_100);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing', executed: 0 });
  alone.tell(1, 3, alone.vote(3, 'commit', of));
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing', executed: 1 });
});

test('[R26] of a view that was left only batches are kept that its primary signed, and so many', () => {
  const alone = new Alone();
  alone.run(1_100);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing', bodies: 0 });
  const [batch, other] = [alone.batch('a'), alone.batch('b')];
  const good = alone.proposal(0, 1, batch);
  if (good.type !== 'pre-prepare') throw new Error('a proposal');
  for (const message of [
    alone.proposal(2, 1, batch),
    alone.proposal(0, 17, batch),
    { ...good, batch: other.bytes },
    { ...good, vote: { ...good.vote, signature: new Uint8Array(64) } },
  ])
    alone.tell(1, 0, message);
  expect(alone.view(1).bodies).toBe(0);
  alone.tell(1, 0, good);
  expect(alone.view(1)).toMatchObject({ bodies: 1, slots: [] });
  const { digest } = batch;
  for (const by of [0, 2, 3]) alone.tell(1, by, alone.vote(by, 'commit', { sequence: 1, digest }));
  expect(alone.view(1).executed).toBe(1);
  for (let i = 0; i < 200; i += 1) alone.tell(1, 0, alone.proposal(0, 2, alone.batch(`x${i}`)));
  expect(alone.view(1).bodies).toBeLessThanOrEqual(4 * 16);
});
