import { expect, test } from 'vitest';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import type { Carried, NewView } from '#lib/ledger/pbft/messages/new-view.ts';
import type { ViewChange } from '#lib/ledger/pbft/messages/view-change.ts';
import { takeoverOf } from '#lib/ledger/pbft/certificates.ts';
import { newViewIsValid } from '#lib/ledger/pbft/new-view.ts';
import { signNewView, signViewChange, signVote } from '#lib/ledger/pbft/signatures.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

/** A VIEW-CHANGE as `by` would sign it. */
function viewChange(alone: Alone, by: number, change: Partial<ViewChange> = {}): ViewChange {
  const { base } = alone.node(by).state;
  return signViewChange(alone.node(by).state, {
    ...{ epoch: 0, view: 1, replica: by, prepared: [] },
    checkpoint: { epoch: 0, ...base, seals: [] },
    ...change,
  });
}

/** Everybody but `index` has been asked the same, and its primary is dead. */
function crashed(n: number, dead: readonly number[]): Cluster {
  const cluster = new Cluster({ n });
  for (const index of dead) cluster.crash(index);
  return cluster;
}

test('[R12] a dead primary is replaced within T + 6 δ of the request', () => {
  const cluster = crashed(4, [0]);
  cluster.run(900);
  cluster.request('a');
  expect(cluster.until(() => cluster.isExecutedBy('a', [1, 2, 3]), 5_000)).toBeLessThan(1_050);
});

test('[R12] an idle primary’s death is found by its silence', () => {
  const cluster = crashed(4, [0]);
  expect(cluster.until(() => cluster.view(1).view === 1, 5_000)).toBeLessThan(1_100);
});

test('[R12] executing others does not save a primary that leaves one client out', () => {
  const cluster = new Cluster();
  const { application } = cluster.node(0).env;
  const env = {
    ...cluster.node(0).env,
    application: {
      ...application,
      admits: (_: unknown, bytes: Uint8Array) =>
        !new TextDecoder().decode(bytes).includes('censored'),
    },
  };
  cluster.node(0).state = { ...cluster.node(0).state, env };
  cluster.request('censored');
  for (let i = 0; i < 30; i += 1) {
    cluster.request(`other ${i}`);
    cluster.run(50);
  }
  expect(cluster.isExecutedBy('censored', [1, 2, 3])).toBe(true);
  expect(cluster.view(1).view).toBe(1);
});

test('[R12] a request that only one backup has heard of reaches the primary at T / 2', () => {
  const cluster = new Cluster();
  cluster.request('a', [2]);
  expect(cluster.until(() => cluster.isExecutedBy('a', [0, 1, 2, 3]), 5_000)).toBeLessThan(600);
  expect(cluster.view(2).view).toBe(0);
});

test('[R13] after its VIEW-CHANGE a replica votes in no lower view', () => {
  const alone = new Alone();
  alone.run(1_100);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing' });
  const batch = alone.batch('a');
  alone.tell(1, 0, alone.proposal(0, 1, batch));
  const of = { sequence: 1, digest: batch.digest };
  for (const by of [2, 3]) alone.tell(1, by, alone.vote(by, 'prepare', of));
  alone.run(50);
  expect(alone.view(1)).toMatchObject({ view: 1, slots: [], withheld: 0 });
  for (const type of ['prepare', 'commit'] as const) expect(alone.said(1, type)).toEqual([]);
});

test('[R13] alone it waits in the next view; with q the timer runs, and doubles', () => {
  const alone = new Alone();
  alone.run(30_000);
  expect(alone.view(1)).toMatchObject({ view: 1, doublings: 1 });
  alone.tell(1, 2, viewChange(alone, 2));
  alone.run(30_000);
  expect(alone.view(1).view).toBe(1);
  alone.tell(1, 3, viewChange(alone, 3));
  // Its own view: it is primary and begins it. A backup's timer: below.
  expect(alone.view(1)).toMatchObject({ view: 1 });
  const backup = new Alone();
  backup.run(1_100);
  for (const by of [0, 2]) backup.tell(3, by, viewChange(backup, by));
  backup.run(1_900);
  expect(backup.view(3)).toMatchObject({ view: 1, doublings: 1 });
  backup.run(200);
  expect(backup.view(3)).toMatchObject({ view: 2, doublings: 2 });
});

test('[R13] f dead primaries in a row cost T, 2 T, …; then patience is T again', () => {
  const cluster = crashed(7, [0, 1]);
  cluster.request('a');
  const took = cluster.until(() => cluster.isExecutedBy('a', [2, 3, 4, 5, 6]), 20_000);
  expect(took).toBeGreaterThan(2_900);
  expect(took).toBeLessThan(3_200);
  expect(cluster.view(3)).toMatchObject({ view: 2, doublings: 0 });
});

test('[R14] f VIEW-CHANGEs move nobody, f + 1 do, and a view far ahead only its sender', () => {
  const alone = new Alone();
  for (let i = 0; i < 1_000; i += 1) {
    alone.tell(1, 3, viewChange(alone, 3, { view: 1_000_000 + i }));
  }
  expect(alone.view(1)).toMatchObject({ view: 0, viewChanges: 1 });
  alone.tell(1, 2, viewChange(alone, 2, { view: 5 }));
  expect(alone.view(1)).toMatchObject({ view: 5, phase: 'changing' });
});

/** A slot prepared in view 0 at r0, r1 and r2, committed nowhere. */
function preparedOnly(): { cluster: Cluster; seen: Message[] } {
  const cluster = new Cluster();
  const seen: Message[] = [];
  cluster.fate = (_from, _to, message) => {
    seen.push(message);
    return message.type === 'commit' && message.view === 0 ? [] : [5];
  };
  cluster.request('a');
  cluster.request('b');
  cluster.run(50);
  return { cluster, seen };
}

test('[R16] what prepared is carried into the next view with its batch', () => {
  const { cluster, seen } = preparedOnly();
  cluster.until(() => cluster.isExecutedBy('b', [0, 1, 2, 3]), 5_000);
  const carried = seen.find((message): message is NewView => message.type === 'new-view');
  expect(carried).toMatchObject({ view: 1, minSequence: 0, carried: [{}, {}] });
  expect(cluster.effects.get('done a')).toBe(1);
  expect(cluster.effects.get('done b')).toBe(2);
});

test('[R15] a VIEW-CHANGE with a certificate that does not hold is discarded, it alone', () => {
  const { cluster, seen } = preparedOnly();
  cluster.until(() => cluster.isExecutedBy('b', [0, 1, 2, 3]), 5_000);
  const real = seen.find(
    (message): message is ViewChange =>
      message.type === 'view-change' && message.prepared.length > 0,
  )!;
  const alone = new Alone();
  const by = real.replica;
  const [first] = real.prepared;
  const to = by === 1 ? 2 : 1;
  const forged: Partial<ViewChange>[] = [
    { prepared: [{ ...first!, digest: new Uint8Array(32) }] },
    { prepared: [{ ...first!, prepares: first!.prepares.slice(1) }] },
    { prepared: [{ ...first!, prepares: [{ ...first!.proposal }, ...first!.prepares.slice(1)] }] },
    { prepared: [{ ...first!, view: 4 }] },
    { prepared: [{ ...first!, sequence: 30 }] },
    { checkpoint: { epoch: 0, sequence: 8, headerHash: new Uint8Array(32), seals: [] } },
    { checkpoint: { ...real.checkpoint, headerHash: new Uint8Array(32) } },
  ];
  for (const change of forged) {
    const { epoch, view, replica, checkpoint, prepared } = real;
    const fields = { epoch, view, replica, checkpoint, prepared, ...change };
    alone.tell(to, by, signViewChange(alone.node(by).state, fields));
    expect(alone.view(to).viewChanges).toBe(0);
  }
  alone.tell(to, by, { ...real, signature: new Uint8Array(64) });
  expect(alone.view(to).viewChanges).toBe(0);
  alone.tell(to, by, real);
  expect(alone.view(to).viewChanges).toBe(1);
});

test('[R16] of two certificates the higher view’s counts, and a gap is a null batch', () => {
  const alone = new Alone();
  const of = (view: number, sequence: number, byte: number) => ({
    ...{ epoch: 0, view, sequence, digest: new Uint8Array(32).fill(byte) },
    ...{ proposal: { replica: 0, signature: new Uint8Array(64) }, prepares: [] },
  });
  const changes = [
    viewChange(alone, 1, { view: 9, prepared: [of(3, 1, 3), of(1, 3, 9)] }),
    viewChange(alone, 2, { view: 9, prepared: [of(7, 1, 7)] }),
    viewChange(alone, 3, { view: 9, prepared: [of(5, 1, 5)] }),
  ];
  const { checkpoint, digests } = takeoverOf(changes);
  expect(checkpoint.sequence).toBe(0);
  expect(digests.map((digest) => digest?.[0] ?? null)).toEqual([7, null, 9]);
  // The highest checkpoint wins, and certificates below it are history.
  const high = { epoch: 0, sequence: 8, headerHash: new Uint8Array(32), seals: [] };
  expect(takeoverOf([...changes, viewChange(alone, 0, { checkpoint: high })])).toEqual({
    checkpoint: high,
    digests: [],
  });
});

test('[R16] a NEW-VIEW that omits, alters, repeats or is short of q is refused', () => {
  const { cluster, seen } = preparedOnly();
  cluster.until(() => cluster.isExecutedBy('b', [0, 1, 2, 3]), 5_000);
  const real = seen.find((message): message is NewView => message.type === 'new-view')!;
  const alone = new Alone();
  const { state } = alone.node(2);
  const primary = alone.node(1).state;
  const { epoch, view, replica, viewChanges, minSequence, carried } = real;
  const again = (change: Partial<NewView>): NewView =>
    signNewView(primary, { epoch, view, replica, viewChanges, minSequence, carried, ...change });
  expect(newViewIsValid(state, again({}))).toBe(true);
  const [first, second] = carried;
  // Signed by the primary as it should be, but not what follows from the VIEW-CHANGEs.
  const resigned = (sequence: number, digest: Uint8Array): Carried => ({
    digest,
    signature: signVote(primary, 'pre-prepare', { view, sequence, digest }).signature,
  });
  const wrong: Partial<NewView>[] = [
    { carried: [first!, resigned(2, first!.digest)] },
    { carried: [resigned(1, second!.digest), resigned(2, first!.digest)] },
    { carried: [first!] },
    { carried: [second!, first!] },
    { carried: [first!, { ...second!, digest: new Uint8Array(32) }] },
    { carried: [...carried, second!] },
    { carried: [first!, { ...second!, signature: new Uint8Array(64) }] },
    { minSequence: 1, carried: [second!] },
    { viewChanges: viewChanges.slice(1) },
    { viewChanges: [viewChanges[0]!, viewChanges[1]!, viewChange(alone, 3, { view: 2 })] },
  ];
  for (const change of wrong) expect(newViewIsValid(state, again(change))).toBe(false);
  expect(newViewIsValid(state, { ...real, signature: new Uint8Array(64) })).toBe(false);
  // From another than the view's primary it is not even looked at.
  alone.tell(2, 3, { ...real, replica: 3 });
  expect(alone.view(2).view).toBe(0);
  alone.tell(2, 3, real);
  expect(alone.view(2)).toMatchObject({ view: 1, phase: 'active' });
});

test('[R16] committed at one replica only, then the primary dies: all have the same block', () => {
  const cluster = new Cluster();
  cluster.fate = (_from, to, message) =>
    message.type === 'commit' && message.view === 0 && to !== cluster.node(3) ? [] : [5];
  cluster.request('a');
  cluster.until(() => cluster.isExecutedBy('a', [3]), 100);
  const block = cluster.chain.get(1);
  cluster.crash(0);
  expect(cluster.until(() => cluster.isExecutedBy('a', [1, 2, 3]), 10_000)).toBeLessThan(Infinity);
  expect(cluster.chain.get(1)).toBe(block);
});

test('[R17] a new primary that lacks the batch fetches it, and it is executed', () => {
  const cluster = new Cluster();
  let fetched = 0;
  cluster.fate = (_from, to, message) => {
    if (message.type === 'fetch') fetched += 1;
    if (message.type === 'pre-prepare' && message.vote.view === 0 && to === cluster.node(1))
      return [];
    return message.type === 'commit' && message.view === 0 ? [] : [5];
  };
  cluster.request('a', [0]);
  cluster.run(100);
  cluster.crash(0);
  expect(cluster.until(() => cluster.isExecutedBy('a', [1, 2, 3]), 10_000)).toBeLessThan(Infinity);
  expect(fetched).toBeGreaterThan(0);
  expect(cluster.view(1)).toMatchObject({ view: 1 });
});

test('[R14] a cut-off replica that leaves view after view moves nobody, and takes no room', () => {
  const cluster = new Cluster();
  const spammer = cluster.node(3);
  const { base } = spammer.state;
  const checkpoint = { epoch: 0, ...base, seals: [] };
  for (let view = 1; view <= 200; view += 1) {
    const message = signViewChange(spammer.state, {
      ...{ epoch: 0, view, replica: 3, prepared: [], checkpoint },
    });
    for (const to of [0, 1, 2]) cluster.inject(to, 'r3', message);
    if (view % 20 === 0) cluster.request(`a${view}`);
    cluster.run(10);
  }
  cluster.run(100);
  for (const index of [0, 1, 2]) {
    expect(cluster.view(index)).toMatchObject({ view: 0, phase: 'active', viewChanges: 1 });
  }
  expect(cluster.isExecutedBy('a200', [0, 1, 2])).toBe(true);
});

test('[R12] a primary that delays each proposal to 0.9 T does not last where more than one request waits', () => {
  const cluster = new Cluster();
  const { fate } = cluster;
  cluster.fate = (from, to, message) =>
    message.type === 'pre-prepare' && from === cluster.node(0) ? [900] : fate(from, to, message);
  for (let i = 0; i < 20; i += 1) {
    cluster.request(`a${i}`);
    cluster.run(100);
  }
  cluster.run(2_000);
  expect(cluster.isExecutedBy('a19', [0, 1, 2, 3])).toBe(true);
  // What waits for its second proposal waits for longer than T.
  expect(cluster.view(1).view).toBe(1);
});
