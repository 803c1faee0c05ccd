import { expect, test } from 'vitest';
import { utf8 } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { inspect } from '#lib/ledger/pbft/inspect.ts';
import { encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { nextTickAt } from '#lib/ledger/pbft/timers.ts';
import { counterApp } from '#tests/support/counter-app.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster, WALL_MS } from '#tests/support/replica-cluster.ts';

const ALL = [0, 1, 2, 3];

test('[R7] a request is executed once by all, at 5 δ and the disks', () => {
  for (const n of [4, 5, 6, 7, 8, 9, 10]) {
    const cluster = new Cluster({ n });
    cluster.diskMs = () => 0;
    cluster.request('a');
    const all = cluster.nodes.map((_, i) => i);
    // The request is at the replicas; three phases of 5 ms follow.
    expect(cluster.until(() => cluster.isExecutedBy('a', all), 1_000)).toBeLessThanOrEqual(20);
    expect(cluster.chain.size).toBe(1);
  }
});

test('[R4] a client carries requests only, a replica only its own votes, a stranger none', () => {
  const alone = new Alone({ extra: ['x'] });
  const batch = alone.batch('a');
  const proposal = alone.proposal(0, 1, batch);
  const client = { kind: 'client' as const, id: 'r0' };
  alone.step(alone.node(1), { type: 'message', bytes: encodeMessage(proposal), link: client });
  alone.inject(1, 'x', proposal);
  expect(alone.view(1).slots).toEqual([]);
  const vote = alone.vote(2, 'prepare', { sequence: 1, digest: batch.digest });
  alone.tell(1, 3, vote);
  expect(alone.view(1).slots).toEqual([]);
  // Passed on by another member it is still the primary's proposal.
  alone.tell(1, 3, proposal);
  alone.tell(1, 2, vote);
  expect(alone.view(1).slots).toMatchObject([{ isProposed: true, prepares: 1 }]);
});

test('[R5] a proposal of another, of another view or window, with another batch, is not taken', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  const good = alone.proposal(0, 1, batch);
  if (good.type !== 'pre-prepare') throw new Error('a proposal');
  const bad = [
    alone.proposal(2, 1, batch),
    alone.proposal(0, 1, { ...batch, view: 4 }),
    alone.proposal(0, 0, batch),
    alone.proposal(0, 17, batch),
    alone.proposal(0, Number.MAX_SAFE_INTEGER, batch),
    { ...good, batch: alone.batch('b').bytes },
    alone.proposal(0, 1, { ...batch, bytes: new Uint8Array(3) }),
    { ...good, vote: { ...good.vote, signature: new Uint8Array(64) } },
    { ...good, vote: { ...good.vote, epoch: 1 } },
  ];
  for (const message of bad) alone.tell(1, 0, message);
  expect(alone.view(1).slots).toEqual([]);
  alone.tell(1, 0, good);
  expect(alone.view(1).slots).toMatchObject([{ sequence: 1, isProposed: true }]);
});

test('[R5] one bad request makes the batch invalid for everybody', () => {
  const alone = new Alone();
  const time = WALL_MS + alone.nowMs;
  const bytes = counterApp.writeBatch(time, [utf8('a'), utf8('bad')]);
  const batch = { ...alone.batch('a'), bytes, digest: nodeSha256(bytes) };
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  expect(alone.view(1).slots).toEqual([]);
});

test('[R6] the primary’s own PREPARE, a repeated one, or one of another digest prepares nothing', () => {
  const alone = new Alone({ n: 7 });
  const batch = alone.batch('a');
  const of = { sequence: 1, digest: batch.digest };
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  alone.run(5);
  // q = 5: four PREPAREs of others than the primary, its own one included.
  alone.tell(1, 0, alone.vote(0, 'prepare', of));
  for (let i = 0; i < 3; i += 1) alone.tell(1, 2, alone.vote(2, 'prepare', of));
  alone.tell(1, 3, alone.vote(3, 'prepare', { sequence: 1, digest: alone.batch('b').digest }));
  alone.tell(1, 4, alone.vote(4, 'prepare', of));
  const forged = { ...alone.vote(5, 'prepare', of), signature: new Uint8Array(64) };
  alone.tell(1, 5, forged);
  expect(alone.view(1).slots).toMatchObject([{ preparedView: null }]);
  alone.tell(1, 6, alone.vote(6, 'prepare', of));
  expect(alone.view(1).slots).toMatchObject([{ preparedView: 0 }]);
});

test('[R7] COMMITs before the slot prepared wait, and later slots wait for earlier ones', () => {
  const alone = new Alone();
  const [first, second] = [alone.batch('a'), alone.batch('b')];
  const of = { sequence: 2, digest: second.digest };
  for (const by of [0, 2, 3]) alone.tell(1, by, alone.vote(by, 'commit', of));
  alone.tell(1, 0, alone.proposal(0, 2, second));
  alone.run(5);
  expect(alone.view(1).slots).toMatchObject([{ commits: 3, isCommitted: false }]);
  alone.tell(1, 2, alone.vote(2, 'prepare', of));
  alone.run(5);
  expect(alone.view(1)).toMatchObject({ executed: 0, slots: [{ isCommitted: true }] });
  alone.commit(1, 1, first);
  expect(alone.view(1).executed).toBe(2);
});

test('[R7] q − 1 COMMITs commit nothing', () => {
  const alone = new Alone({ n: 5 });
  const batch = alone.batch('a');
  const of = { sequence: 1, digest: batch.digest };
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  for (const by of [2, 3]) alone.tell(1, by, alone.vote(by, 'prepare', of));
  alone.run(5);
  for (const by of [0, 2]) alone.tell(1, by, alone.vote(by, 'commit', of));
  for (let i = 0; i < 3; i += 1) alone.tell(1, 2, alone.vote(2, 'commit', of));
  // n = 5, q = 4: with the own COMMIT these are 3 = 2f + 1.
  expect(alone.view(1)).toMatchObject({ executed: 0, slots: [{ preparedView: 0, commits: 3 }] });
  alone.tell(1, 3, alone.vote(3, 'commit', of));
  expect(alone.view(1).executed).toBe(1);
});

test('[R8] a batch committed in another view gives the same header', () => {
  const hashes = [false, true].map((viewChanged) => {
    const cluster = new Cluster();
    cluster.fate = (_from, _to, message) =>
      viewChanged && message.type === 'commit' && message.view === 0 ? [] : [5];
    cluster.request('a');
    cluster.until(() => cluster.isExecutedBy('a', [1, 2, 3]), 10_000);
    expect(cluster.view(1).view).toBe(viewChanged ? 1 : 0);
    return inspect(cluster.node(1).state).headerHash;
  });
  expect(hashes[0]).toBe(hashes[1]);
});

test('[R9] the log is cut at q equal SEALs, not at f + 1, the own one or mixed ones', () => {
  const alone = new Alone();
  for (let n = 1; n <= 8; n += 1) alone.commit(1, n, alone.batch(`a${n}`));
  const hash = alone.node(1).state.head.headerHash;
  expect(alone.view(1)).toMatchObject({ executed: 8, stable: 0 });
  alone.tell(1, 2, alone.seal(2, 8, hash));
  alone.tell(1, 2, alone.seal(2, 8, hash));
  alone.tell(1, 3, alone.seal(3, 8, new Uint8Array(32)));
  expect(alone.view(1)).toMatchObject({ stable: 0 });
  expect(alone.view(1).slots).toHaveLength(8);
  alone.tell(1, 0, alone.seal(0, 8, hash));
  expect(alone.view(1)).toMatchObject({ stable: 8, slots: [], bodies: 0 });
});

test('[R9] votes below the stable checkpoint change nothing', () => {
  const cluster = new Cluster();
  for (let i = 0; i < 10; i += 1) {
    cluster.request(`a${i}`);
    cluster.run(50);
  }
  expect(cluster.view(1).stable).toBe(8);
  const alone = new Alone();
  const before = cluster.node(1).state;
  cluster.inject(1, 'r0', alone.proposal(0, 3, alone.batch('late')));
  expect(cluster.node(1).state).toBe(before);
});

test('[R10] no vote leaves or counts before its record is on disk', () => {
  const alone = new Alone();
  alone.diskMs = () => 1_000_000;
  const batch = alone.batch('a');
  const of = { sequence: 1, digest: batch.digest };
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  alone.tell(1, 2, alone.vote(2, 'prepare', of));
  alone.run(50);
  expect(alone.said(1, 'prepare')).toEqual([]);
  expect(alone.view(1)).toMatchObject({
    withheld: 1,
    slots: [{ prepares: 1, preparedView: null }],
  });
  alone.step(alone.node(1), { type: 'stored', id: 1 });
  expect(alone.said(1, 'prepare')).toHaveLength(1);
  expect(alone.view(1)).toMatchObject({ slots: [{ prepares: 2, preparedView: 0, commits: 0 }] });
  expect(alone.said(1, 'commit')).toEqual([]);
  alone.step(alone.node(1), { type: 'stored', id: 2 });
  expect(alone.said(1, 'commit')).toHaveLength(1);
});

test('[R11] alone: at once; else 20 ms after the last with fewer than 2 unprepared, or full; never beyond W', () => {
  const alone = new Alone({ parameters: { batchMax: 2, window: 4 } });
  const proposed = (): number => alone.node(0).state.proposed;
  alone.request('a', [0]);
  expect(proposed()).toBe(1);
  alone.request('b', [0]);
  alone.run(19);
  expect(proposed()).toBe(1);
  alone.run(1);
  expect(proposed()).toBe(2);
  // Two slots are unprepared: time opens no third one, a full batch does.
  alone.request('c', [0]);
  alone.run(50);
  expect(proposed()).toBe(2);
  alone.request('d', [0]);
  expect(proposed()).toBe(3);
  alone.request('e', [0]);
  alone.run(50);
  expect(proposed()).toBe(3);
  // One prepares, then another, which makes room for time to open the last of W.
  for (const sequence of [1, 2]) {
    const { digest } = alone.said(0, 'pre-prepare')[sequence - 1]!.vote;
    expect(proposed()).toBe(3);
    for (const by of [1, 2]) alone.tell(0, by, alone.vote(by, 'prepare', { sequence, digest }));
  }
  expect(proposed()).toBe(4);
  for (const name of 'fghijkl') alone.request(name, [0]);
  alone.run(50);
  expect(proposed()).toBe(4);
});

test('[R11] a request that comes long after the last is proposed at once, and nobody is woken in vain', () => {
  const cluster = new Cluster();
  cluster.request('a');
  cluster.run(100);
  const { state } = cluster.node(0);
  expect(nextTickAt(state)).toBe(state.statusAt);
  cluster.request('b');
  expect(cluster.node(0).state.proposed).toBe(2);
  cluster.request('c');
  expect(nextTickAt(cluster.node(0).state)).toBe(cluster.nowMs + 20);
});

test('[R11] a proposal that comes from the disk with the COMMIT before it is made once', () => {
  const alone = new Alone({ parameters: { batchMax: 1 } });
  alone.diskMs = () => 1_000_000;
  alone.request('a', [0]);
  alone.step(alone.node(0), { type: 'stored', id: 1 });
  const { digest } = alone.said(0, 'pre-prepare')[0]!.vote;
  const tell = (type: 'prepare' | 'commit'): void => {
    for (const by of [1, 2]) alone.tell(0, by, alone.vote(by, type, { sequence: 1, digest }));
  };
  tell('prepare');
  alone.request('b', [0]);
  tell('commit');
  // The COMMIT executes a block, after which whoever waits is proposed; the other is under way.
  alone.step(alone.node(0), { type: 'stored', id: 3 });
  expect(alone.view(0)).toMatchObject({ executed: 1, withheld: 0 });
  expect(alone.node(0).state.proposed).toBe(2);
});

test('[R11] 250 requests are batched and executed once, in one order', () => {
  const cluster = new Cluster({ parameters: { batchMax: 64 } });
  for (let i = 0; i < 250; i += 1) {
    cluster.request(`a${i}`);
    cluster.run(1);
  }
  cluster.until(() => cluster.isExecutedBy('a249', ALL), 5_000);
  expect(cluster.effects.size).toBe(250);
  expect(cluster.chain.size).toBeLessThan(125);
});
