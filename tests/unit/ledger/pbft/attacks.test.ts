import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { evidenceHolds } from '#lib/ledger/pbft/evidence.ts';
import { encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import type { NewView } from '#lib/ledger/pbft/messages/new-view.ts';
import type { ViewChange } from '#lib/ledger/pbft/messages/view-change.ts';
import { electorateOf, signViewChange } from '#lib/ledger/pbft/signatures.ts';
import { keyedSigner } from '#tests/support/counter-app.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster, WALL_MS } from '#tests/support/replica-cluster.ts';
import { specimens } from '#tests/support/replica-specimens.ts';

/** Attacks of the design that no other test of the replica is about. */

const ALL = [0, 1, 2, 3];

test('[R23] split halves and a double voter: one block everywhere, and evidence against none but them', () => {
  const cluster = new Cluster({ n: 7, twins: ['r0', 'r1'] });
  // Each pair of twins says one thing to the even ones, another to the odd ones.
  cluster.fate = (from, to) => {
    const isTwin = from.name === 'r0' || from.name === 'r1';
    if (!isTwin) return [5];
    const isSecond = cluster.nodes.indexOf(from) >= 7;
    return (cluster.nodes.indexOf(to) % 2 === 1) === isSecond ? [5] : [];
  };
  const honest = [2, 3, 4, 5, 6];
  cluster.request('a', [0, 1, ...honest]);
  cluster.request('b', [7, 8, ...honest]);
  const isDone = (): boolean => ['a', 'b'].every((name) => cluster.isExecutedBy(name, honest));
  expect(cluster.until(isDone, 60_000)).toBeLessThan(Infinity);
  cluster.run(2_000);
  const found = honest.flatMap((index) => cluster.node(index).evidence);
  expect(found.map(({ replica }) => replica)).toContain(0);
  for (const each of found) {
    expect([0, 1]).toContain(each.replica);
    expect(evidenceHolds(electorateOf(cluster.node(2).state), each)).toBe(true);
  }
});

test('[R7] COMMITs for another batch count nothing', () => {
  const alone = new Alone();
  const [batch, other] = [alone.batch('a'), alone.batch('b')];
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  alone.tell(1, 2, alone.vote(2, 'prepare', { sequence: 1, digest: batch.digest }));
  alone.run(5);
  alone.tell(1, 0, alone.vote(0, 'commit', { sequence: 1, digest: batch.digest }));
  alone.tell(1, 2, alone.vote(2, 'commit', { sequence: 1, digest: other.digest }));
  expect(alone.view(1)).toMatchObject({ executed: 0, slots: [{ commits: 3 }] });
  alone.tell(1, 3, alone.vote(3, 'commit', { sequence: 1, digest: batch.digest }));
  expect(alone.view(1).executed).toBe(1);
});

test('[R4] a bad signature, another’s envelope, a stranger: dropped before any side effect', () => {
  const alone = new Alone({ extra: ['x'] });
  const { digest } = alone.batch('a');
  const of = { sequence: 1, digest };
  const signed = specimens().filter((message) => 'signature' in message);
  const votes: Message[] = [
    alone.vote(2, 'prepare', of),
    alone.vote(2, 'commit', of),
    alone.vote(2, 'commit', { ...of, sequence: Number.MAX_SAFE_INTEGER }),
    alone.seal(2, 8, digest),
    alone.seal(2, Number.MAX_SAFE_INTEGER - 7, digest),
  ];
  const before = alone.node(1).state;
  for (const message of [...signed, ...votes]) {
    if (!('signature' in message)) continue;
    const forged = { ...message, signature: new Uint8Array(64) };
    alone.tell(1, message.replica, forged);
    alone.inject(1, 'x', message);
    // Signed by one, sent by another; and with another's name on it.
    if (message.type !== 'new-view') alone.tell(1, 3, message);
    alone.tell(1, 3, { ...message, replica: 3 });
    alone.tell(1, 3, { ...message, replica: 99 });
  }
  for (const message of [votes[2]!, votes[4]!]) alone.tell(1, 2, message);
  expect(alone.node(1).state).toBe(before);
  alone.tell(1, 2, votes[0]!);
  expect(alone.node(1).state).not.toBe(before);
});

test('[R16] a VIEW-CHANGE or NEW-VIEW that was altered in any byte is no such thing', () => {
  const all = specimens();
  const change = all.find((each): each is ViewChange => each.type === 'view-change')!;
  const newView = all.find((each): each is NewView => each.type === 'new-view')!;
  const alone = new Alone();
  for (const real of [change, newView]) {
    const bytes = encodeMessage(real);
    for (let i = 1; i < bytes.length; i += 3) {
      const altered = Uint8Array.from(bytes);
      altered[i]! ^= 1 << (i % 8);
      alone.inject(2, `r${real.replica}`, altered);
      expect(alone.view(2)).toMatchObject({ view: 0, viewChanges: 0 });
    }
  }
  alone.tell(2, newView.replica, newView);
  expect(alone.view(2)).toMatchObject({ view: newView.view, phase: 'active' });
});

test('[R14] an old quorum that is replayed moves nobody', () => {
  const cluster = new Cluster();
  const seen: Message[] = [];
  cluster.fate = (_from, _to, message) => {
    seen.push(message);
    return [5];
  };
  cluster.crash(0);
  cluster.request('a');
  cluster.until(() => cluster.isExecutedBy('a', [1, 2, 3]), 5_000);
  cluster.restart(0);
  cluster.crash(1);
  cluster.request('b');
  expect(cluster.until(() => cluster.isExecutedBy('b', [0, 2, 3]), 10_000)).toBeLessThan(Infinity);
  const old = seen.filter(
    (message): message is ViewChange | NewView =>
      (message.type === 'view-change' || message.type === 'new-view') && message.view === 1,
  );
  expect(old.length).toBeGreaterThanOrEqual(4);
  const { state } = cluster.node(3);
  expect(state.view).toBe(2);
  for (const message of old) cluster.inject(3, `r${message.replica}`, message);
  expect(cluster.node(3).state).toBe(state);
});

test('[R14] views far ahead of one peer, many and large, take the room of one', () => {
  const alone = new Alone();
  const { base } = alone.node(3).state;
  const checkpoint = { epoch: 0, ...base, seals: [] };
  for (let i = 0; i < 20_000; i += 1) {
    const view = Number.MAX_SAFE_INTEGER - 20_000 + i;
    const message = { epoch: 0, view, replica: 3, prepared: [], checkpoint };
    alone.tell(1, 3, signViewChange(alone.node(3).state, message));
  }
  expect(alone.view(1)).toMatchObject({ view: 0, phase: 'active', viewChanges: 1, evidence: 0 });
});

test('[R19] the old VIEW-CHANGE of a key whose log was lost is replayed: it votes no more', () => {
  const cluster = new Cluster();
  const { fate } = cluster;
  let promise: Message | null = null;
  cluster.fate = (from, to, message) => {
    const isParted = from === cluster.node(3) || to === cluster.node(3);
    if (from === cluster.node(3) && message.type === 'view-change') promise = message;
    return isParted ? [] : [5];
  };
  cluster.run(1_200);
  expect(cluster.view(3)).toMatchObject({ view: 1, phase: 'changing' });
  cluster.node(3).disk.wipe();
  cluster.crash(3);
  cluster.restart(3);
  expect(cluster.view(3)).toMatchObject({ view: 0, isAmnesiac: true });
  const said: Message['type'][] = [];
  cluster.fate = (from, to, message) => {
    if (from === cluster.node(3) && 'replica' in message) said.push(message.type);
    return fate(from, to, message);
  };
  cluster.request('a');
  cluster.run(100);
  // Alone it moves nobody; with one more of the living it makes f + 1, and still the others agree.
  for (const to of [0, 1, 2]) cluster.inject(to, 'r3', promise!);
  cluster.request('b');
  cluster.run(100);
  cluster.crash(0);
  cluster.restart(0);
  cluster.request('c');
  for (const name of ['a', 'b', 'c'])
    expect(cluster.until(() => cluster.isExecutedBy(name, ALL), 10_000)).toBeLessThan(Infinity);
  expect(said).toEqual([]);
});

test('[R21] a primary whose clock freezes, races or runs back: all is executed, and time stays true', () => {
  for (const speed of [0, 3, -2]) {
    const cluster = new Cluster();
    for (let i = 0; i < 40; i += 1) {
      cluster.node(0).skewMs = (speed - 1) * cluster.nowMs;
      cluster.request(`a${i}`);
      cluster.run(100);
    }
    expect(cluster.until(() => cluster.isExecutedBy('a39', ALL), 5_000)).toBeLessThan(Infinity);
    for (let i = 0; i < 40; i += 1) expect(cluster.isExecutedBy(`a${i}`, ALL)).toBe(true);
    // No vote for what is more than 2 s off: the view ended.
    expect(cluster.view(1).view).toBeGreaterThan(0);
    const { timeMs } = cluster.node(1).state.head.header;
    expect(Math.abs(timeMs - WALL_MS - cluster.nowMs)).toBeLessThan(2_100);
  }
});

test('[R20] a request that one replica alone holds for invalid: it follows by a state', () => {
  const cluster = new Cluster();
  const odd = cluster.node(2);
  const { application } = odd.env;
  // As if its library judged one signature otherwise than all the others.
  const checkBatch: typeof application.checkBatch = (bytes) => {
    const batch = application.checkBatch(bytes);
    return batch?.ids.includes('a0') === true ? null : batch;
  };
  odd.state = { ...odd.state, env: { ...odd.env, application: { ...application, checkBatch } } };
  for (let i = 0; i < 12; i += 1) {
    cluster.request(`a${i}`);
    cluster.run(50);
  }
  expect(cluster.isExecutedBy('a11', [0, 1, 3])).toBe(true);
  expect(cluster.until(() => cluster.isExecutedBy('a11', [2]), 5_000)).toBeLessThan(Infinity);
});

test('[R8] the same request ten times over a view change has its effect once', () => {
  const cluster = new Cluster();
  for (let i = 0; i < 10; i += 1) {
    if (i === 2) cluster.crash(0);
    cluster.request('a');
    cluster.request(`b${i}`);
    cluster.run(i === 2 ? 3 : 200);
  }
  expect(cluster.until(() => cluster.isExecutedBy('b9', [1, 2, 3]), 5_000)).toBeLessThan(Infinity);
  expect(cluster.view(1).view).toBe(1);
  const { executed } = cluster.node(1).state.head.app as { executed: readonly string[] };
  expect(executed.filter((name) => name === 'a')).toEqual(['a']);
  expect(new Set(executed).size).toBe(executed.length);
});

test('[R18] a crash at any step of a view change: it is made, and nothing said is unsaid', () => {
  for (const crashed of [1, 2]) {
    for (let ms = 0; ms < 36; ms += 3) {
      const cluster = new Cluster();
      cluster.diskMs = () => 4;
      cluster.request('a');
      cluster.run(8);
      cluster.crash(0);
      cluster.until(() => cluster.view(2).phase === 'changing', 3_000);
      cluster.run(ms);
      cluster.crash(crashed);
      cluster.run(20);
      cluster.restart(crashed);
      cluster.request('b');
      const rest = [1, 2, 3];
      expect(cluster.until(() => cluster.isExecutedBy('b', rest), 30_000)).toBeLessThan(Infinity);
      expect(cluster.isExecutedBy('a', rest)).toBe(true);
    }
  }
});

test('[R22] a vote key is rotated over a view change: its epoch begins, and the new key votes', () => {
  for (let ms = 5; ms < 100; ms += 19) {
    const cluster = new Cluster({ n: 7 });
    const rotated = cluster.node(6);
    const signer = keyedSigner('new-r6');
    rotated.state = { ...rotated.state, env: { ...rotated.env, signer }, self: -1 };
    cluster.request('members r0:r0 r1:r1 r2:r2 r3:r3 r4:r4 r5:r5 r6:new-r6');
    cluster.run(ms);
    cluster.crash(0);
    cluster.request('b');
    const rest = [1, 2, 3, 4, 5, 6];
    expect(cluster.until(() => cluster.isExecutedBy('b', rest), 20_000)).toBeLessThan(Infinity);
    const isBegun = (): boolean => rest.every((index) => cluster.view(index).epoch === 1);
    expect(cluster.until(isBegun, 40_000)).toBeLessThan(Infinity);
    const { members } = cluster.node(1).state.constitution;
    expect(toHex(members[6]!.voteKey)).toBe(toHex(signer.publicKey));
    // With r1 gone, too, nothing is committed without the new key.
    cluster.crash(1);
    cluster.request('c');
    expect(cluster.until(() => cluster.isExecutedBy('c', rest.slice(1)), 30_000)).toBeLessThan(
      Infinity,
    );
  }
});
