import { expect, test } from 'vitest';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { frameOf, viewChangeIsValid } from '#lib/ledger/pbft/certificates.ts';
import { stableHead } from '#lib/ledger/pbft/checkpoints.ts';
import { inspect } from '#lib/ledger/pbft/inspect.ts';
import { logAgain } from '#lib/ledger/pbft/log-again.ts';
import type { StateTransfer } from '#lib/ledger/pbft/messages/state-transfer.ts';
import { decodeRecord, encodeRecord, type LogRecord } from '#lib/ledger/pbft/records.ts';
import type { Effect } from '#lib/ledger/pbft/types.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

const ALL = [0, 1, 2, 3];
/** Proposals and NEW-VIEWs of others are passed on. */
const SIGNED = ['prepare', 'commit', 'seal', 'view-change'];

function work(cluster: Cluster, name: string, count: number): void {
  for (let i = 0; i < count; i += 1) {
    cluster.request(`${name}${i}`);
    cluster.run(30);
  }
}

test('[R18] after a restart no vote differs from one that was given before', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  alone.run(5);
  const [given] = alone.said(1, 'prepare');
  alone.crash(1);
  alone.restart(1);
  alone.tell(1, 0, alone.proposal(0, 1, alone.batch('b')));
  alone.run(5);
  expect(alone.said(1, 'prepare')).toEqual([given]);
  alone.tell(1, 2, alone.vote(2, 'prepare', { sequence: 1, digest: batch.digest }));
  alone.run(5);
  expect(alone.said(1, 'commit')).toMatchObject([{ sequence: 1, digest: batch.digest }]);
});

test('[R18] a promise outlives the restart: no vote in the view that was left', () => {
  const alone = new Alone();
  alone.run(1_100);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing' });
  alone.crash(1);
  alone.restart(1);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing' });
  alone.tell(1, 0, alone.proposal(0, 1, alone.batch('a')));
  alone.run(5);
  expect(alone.said(1, 'prepare')).toEqual([]);
});

test('[R18] all crash at any moment: what was acknowledged is there, and it goes on', () => {
  for (let ms = 1; ms < 24; ms += 1) {
    const cluster = new Cluster();
    cluster.request('a');
    cluster.run(ms);
    const acknowledged = cluster.effects.has('done a');
    for (const index of ALL) cluster.crash(index);
    cluster.run(10);
    for (const index of ALL) cluster.restart(index);
    if (!acknowledged) cluster.request('a');
    cluster.request('b');
    expect(cluster.until(() => cluster.isExecutedBy('b', ALL), 5_000)).toBeLessThan(Infinity);
    expect(cluster.isExecutedBy('a', ALL)).toBe(true);
    expect(ALL.map((index) => cluster.view(index).isAmnesiac)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  }
});

test('[R18] a log cut at a stable checkpoint still knows the view', () => {
  const cluster = new Cluster();
  cluster.crash(0);
  work(cluster, 'w', 1);
  cluster.run(1_500);
  work(cluster, 'v', 20);
  expect(cluster.view(1)).toMatchObject({ view: 1, stable: 16 });
  expect(cluster.node(1).disk.image().pruned.count).toBeGreaterThan(0);
  const before = inspect(cluster.node(1).state);
  cluster.crash(1);
  cluster.restart(1);
  expect(cluster.view(1)).toMatchObject({ view: before.view, stable: 16, isAmnesiac: false });
});

/** What a cut at `index`'s stable checkpoint, just now, leaves in its log. */
function loggedAgain(cluster: Cluster, index: number): LogRecord[] {
  const { state } = cluster.node(index);
  const turn = { state, out: [] as Effect[], now: { atMs: instantMs(cluster.nowMs), wallMs: 0 } };
  logAgain(turn, stableHead(turn), { endsEpoch: false, leadsHere: false });
  return turn.out.flatMap((effect) => {
    const record = effect.type === 'persist' ? decodeRecord(effect.record) : null;
    return record === null || isFault(record) ? [] : [record];
  });
}

test('[R18] what waits for the disk while the log is cut is in the log that is left', () => {
  const cluster = new Cluster();
  cluster.diskMs = () => 50;
  cluster.request('a', [0]);
  cluster.run(10);
  const [waiting] = cluster.node(0).state.withheld;
  expect(waiting?.message.type).toBe('pre-prepare');
  expect(loggedAgain(cluster, 0)).toMatchObject([
    { type: 'stable' },
    { type: 'propose', message: waiting?.message },
  ]);
  cluster.crash(0);
  const isAboutToBegin = () =>
    cluster.node(1).state.withheld.some(({ message }) => message.type === 'new-view');
  expect(cluster.until(isAboutToBegin, 5_000)).toBeLessThan(Infinity);
  expect(loggedAgain(cluster, 1).map(({ type }) => type)).toContain('new-view');
});

test('[R15] no COMMIT more than L above the own checkpoint: a restart could not tell of it', () => {
  const alone = new Alone();
  const { digest } = alone.batch('the state at 16');
  const prepare = (sequence: number): void => {
    const batch = alone.batch(`a${sequence}`);
    alone.tell(1, 0, alone.proposal(0, sequence, batch));
    alone.tell(1, 2, alone.vote(2, 'prepare', { sequence, digest: batch.digest }));
    alone.run(5);
  };
  prepare(15);
  for (const by of [0, 2, 3]) alone.tell(1, by, alone.seal(by, 16, digest));
  expect(alone.view(1)).toMatchObject({ stable: 0, ahead: 16 });
  prepare(17);
  expect(alone.view(1).slots.map(({ preparedView }) => preparedView)).toEqual([0, 0]);
  expect(alone.said(1, 'commit').map(({ sequence }) => sequence)).toEqual([15]);
  alone.crash(1);
  alone.restart(1);
  alone.run(1_100);
  const [told] = alone.said(1, 'view-change');
  expect(told?.prepared.map(({ sequence }) => sequence)).toEqual([15]);
  expect(viewChangeIsValid(frameOf(alone.node(2).state), told!)).toBe(true);
});

test('[R15] the COMMIT that waited is cast once the state has come', () => {
  const cluster = new Cluster();
  const parted = cluster.node(3);
  cluster.fate = (from, to, message) =>
    (from === parted || to === parted) && message.type !== 'seal' ? [] : [5];
  // It hears of checkpoints alone, and has no reason to leave its view.
  parted.state = { ...parted.state, heardAt: instantMs(60_000), batchAt: instantMs(60_000) };
  for (let i = 0; i < 25; i += 1) {
    cluster.request(`w${i}`, [0, 1, 2]);
    cluster.run(30);
  }
  const commits: number[] = [];
  let isKept = true;
  cluster.fate = (from, to, message) => {
    if (from === parted && message.type === 'commit') commits.push(message.sequence);
    return isKept && to === parted && message.type === 'state' ? [] : [5];
  };
  cluster.run(100);
  expect(cluster.view(3)).toMatchObject({ view: 0, stable: 0, ahead: 24 });
  cluster.crash(2);
  work(cluster, 'v', 2);
  cluster.run(100);
  expect(cluster.isExecutedBy('v1', [0, 1])).toBe(false);
  expect(commits.filter((sequence) => sequence > 16)).toEqual([]);
  isKept = false;
  expect(cluster.until(() => cluster.isExecutedBy('v1', [0, 1, 3]), 30_000)).toBeLessThan(Infinity);
  expect(commits.filter((sequence) => sequence > 24)).not.toEqual([]);
  expect(cluster.view(0).view).toBe(0);
});

test('[R18] a view that was begun to be logged again, and torn there, forgets no proposal', () => {
  const cluster = new Cluster();
  cluster.crash(0);
  work(cluster, 'w', 3);
  cluster.until(() => cluster.isExecutedBy('w2', [1, 2, 3]), 5_000);
  const before = cluster.node(1).state;
  expect(before).toMatchObject({ view: 1, stable: { sequence: 0 } });
  const turn = { state: before, out: [] as Effect[], now: { atMs: instantMs(0), wallMs: 0 } };
  logAgain(turn, stableHead(turn), { endsEpoch: false, leadsHere: false });
  const again = turn.out.flatMap((effect) => (effect.type === 'persist' ? [effect.record] : []));
  const image = cluster.node(1).disk.image();
  cluster.crash(1);
  // The `stable` record and the NEW-VIEW: past the head, and the votes after them are not there.
  cluster.restart(1, { ...image, records: [...image.records, ...again.slice(0, 2)] });
  const { state } = cluster.node(1);
  expect(state).toMatchObject({ view: 1, proposed: before.proposed });
  const proposals = ({ slots }: typeof state) =>
    [...slots.values()].map(({ sequence, proposal }) => [sequence, proposal?.view ?? null]);
  expect(proposals(state)).toEqual(proposals(before));
  // Two proposals of one key for one place would end this test.
  cluster.request('x', [1]);
  cluster.until(() => cluster.isExecutedBy('x', [1, 2, 3]), 5_000);
});

test('[R19] past the head a record of an epoch whose state is not there is dropped; below it, amnesia', () => {
  const cluster = new Cluster();
  work(cluster, 'w', 3);
  const image = cluster.node(1).disk.image();
  const { head, stable } = cluster.node(1).state;
  const end = { epoch: 0, sequence: 8, headerHash: head.headerHash, seals: stable.seals };
  const record = encodeRecord({ type: 'stable', certificate: end, epoch: 1, view: 0 });
  const records = [...image.records, record];
  const chainHash = nodeSha256(concatBytes([image.head!.chainHash, record]));
  for (const [sure, isAmnesiac] of [
    [image.head!, false],
    [{ ...image.head!, count: image.head!.count + 1, chainHash }, true],
  ] as const) {
    cluster.crash(1);
    cluster.restart(1, { ...image, records, head: sure });
    expect(cluster.view(1)).toMatchObject({ isAmnesiac, votes: !isAmnesiac });
    const next = image.records.length + (isAmnesiac ? 3 : 1);
    expect(cluster.node(1).state.nextBarrier).toBe(next);
  }
});

test('[R19] no head, a shorter log, a changed record: the key signs never again', () => {
  for (const damage of ['head', 'short', 'bit', 'view'] as const) {
    const cluster = new Cluster();
    work(cluster, 'w', 3);
    cluster.crash(1);
    const image = cluster.node(1).disk.image();
    const records = image.records.map((each) => Uint8Array.from(each));
    records[1]![20]! ^= 1;
    const head = image.head!;
    const change = {
      head: { head: null },
      short: { records: image.records.slice(0, -1) },
      bit: { records },
      view: { head: { ...head, view: head.view + 1 } },
    }[damage];
    cluster.restart(1, { ...image, ...change });
    expect(cluster.view(1)).toMatchObject({ isAmnesiac: true, votes: false });
    expect(cluster.node(1).amnesias).toEqual([cluster.node(1).env.signer.publicKey]);
    const signed: string[] = [];
    cluster.fate = (from, _to, message) => {
      if (from === cluster.node(1) && SIGNED.includes(message.type)) signed.push(message.type);
      return [5];
    };
    work(cluster, 'v', 10);
    cluster.run(3_000);
    // It follows, and signs nothing.
    expect(cluster.isExecutedBy('v9', ALL)).toBe(true);
    expect(signed).toEqual([]);
  }
});

test('[R19] the log that is written after amnesia is whole, and the key stays silent', () => {
  for (const checkpoints of [0, 1, 2]) {
    const cluster = new Cluster();
    work(cluster, 'w', 3);
    cluster.crash(1);
    cluster.node(1).disk.loseLast();
    cluster.restart(1);
    work(cluster, 'v', 1 + 8 * checkpoints);
    cluster.run(500);
    cluster.crash(1);
    cluster.restart(1);
    expect(cluster.view(1)).toMatchObject({ isAmnesiac: true, votes: false });
    expect(cluster.node(1).amnesias.length).toBe(2);
  }
});

test('[R19] past the head a torn tail is dropped, and a whole record counts', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  alone.run(5);
  const image = alone.node(1).disk.image();
  const torn = { ...image, records: [...image.records, image.records[0]!.subarray(0, 40)] };
  alone.restart(1, torn);
  expect(alone.view(1)).toMatchObject({ isAmnesiac: false, slots: [{ prepares: 1 }] });
  const empty = { count: 0, chainHash: new Uint8Array(32), epoch: 0, view: 0 };
  alone.restart(1, { ...image, head: empty });
  expect(alone.view(1)).toMatchObject({ isAmnesiac: false, slots: [{ prepares: 1 }] });
});

/** r3 was away for three checkpoints; what it is sent then passes through `change`. */
function away(change: (message: StateTransfer) => StateTransfer): Cluster {
  const cluster = new Cluster();
  cluster.crash(3);
  work(cluster, 'w', 25);
  const { fate } = cluster;
  cluster.fate = (from, to, message) => {
    if (message.type !== 'state') return fate(from, to, message);
    cluster.inject(3, from.name, change(message));
    return [];
  };
  cluster.restart(3);
  return cluster;
}

test('[R20] a state comes through however far its giver is', () => {
  const cluster = new Cluster();
  cluster.crash(3);
  work(cluster, 'w', 25);
  // More than T/4 there and back: whoever is asked next must not silence the one before.
  cluster.fate = () => [300];
  cluster.restart(3);
  cluster.run(8_000);
  expect(cluster.view(3)).toMatchObject({ executed: 25, stable: 24 });
});

test('[R20] who was away longer than the log takes a certified state, and votes again', () => {
  const cluster = away((message) => message);
  cluster.run(1_000);
  expect(cluster.view(3)).toMatchObject({ executed: 25, stable: 24 });
  cluster.crash(2);
  work(cluster, 'v', 3);
  expect(cluster.isExecutedBy('v2', [0, 1, 3])).toBe(true);
});

test('[R20] a state short of q, under another header, or changed is not taken', () => {
  const bad: ((message: StateTransfer) => StateTransfer)[] = [
    (message) => ({
      ...message,
      certificate: { ...message.certificate, seals: message.certificate.seals.slice(1, 3) },
    }),
    (message) => ({ ...message, header: { ...message.header, timeMs: 1 } }),
    (message) => {
      const parts = [new Uint8Array(3)];
      return { ...message, parts, partHashes: parts.map(nodeSha256) };
    },
    (message) => ({ ...message, peaks: message.peaks.map(() => new Uint8Array(32)) }),
  ];
  for (const change of bad) {
    const cluster = away(change);
    cluster.run(1_000);
    expect(cluster.view(3).executed).toBe(0);
  }
});

test('[R20] nobody is heard who was not asked', () => {
  const states: StateTransfer[] = [];
  const keep = (message: StateTransfer): StateTransfer => {
    states.push(message);
    return message;
  };
  away(keep).run(1_000);
  expect(states).toHaveLength(1);
  const fresh = new Cluster();
  for (const state of states) fresh.inject(3, 'r1', state);
  expect(fresh.view(3).executed).toBe(0);
});

test('[R9] a replica whose own block is in the minority takes the state of q', () => {
  const cluster = new Cluster();
  work(cluster, 'w', 7);
  const { env, head } = cluster.node(3).state;
  const wrong = { ...env.application, stateRoot: () => new Uint8Array(32) };
  cluster.node(3).state = { ...cluster.node(3).state, env: { ...env, application: wrong } };
  cluster.liars.add('r3');
  work(cluster, 'v', 1);
  expect(cluster.view(3)).toMatchObject({ executed: 8, stable: 0, ahead: 8 });
  cluster.node(3).state = { ...cluster.node(3).state, env };
  cluster.run(1_000);
  expect(head.sequence).toBe(7);
  expect(cluster.view(3)).toMatchObject({ executed: 8, stable: 8, ahead: null });
  expect(cluster.view(3).headerHash).toBe(cluster.view(1).headerHash);
});

test('[R25] an observer executes what members commit and signs nothing', () => {
  const cluster = new Cluster({ extra: ['x'] });
  work(cluster, 'w', 20);
  cluster.run(500);
  expect(cluster.view(4)).toMatchObject({ self: -1, votes: false, executed: 20 });
  expect(cluster.view(4).headerHash).toBe(cluster.view(0).headerHash);
});
