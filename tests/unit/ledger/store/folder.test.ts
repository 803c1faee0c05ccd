import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { HEAD_BYTES } from '#lib/ledger/store/head-layout.ts';
import { ReplicaStore, createReplicaFolder } from '#lib/ledger/store/server.ts';
import { judgeFolder, type StateTie } from '#lib/ledger/store/judge.ts';
import { readLog } from '#lib/ledger/store/log-layout.ts';
import { StoreQueue, type Group } from '#lib/ledger/store/queue.ts';
import { logFolderName } from '#lib/ledger/store/store.ts';
import { lastStable, optionsFor, writeLife } from '#tests/support/ledger/life-on-disk.ts';
import { LocalCluster } from '#tests/support/ledger/local-cluster.ts';
import { layOut, recordLife } from '#tests/support/ledger/recorded-life.ts';

const life = recordLife(10);
const logName = logFolderName(life.owner.key);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const other = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 1);

test('[B6] what was written comes back: the state, and the log from its stable record on', async () => {
  const { stored } = await writeLife(life, folder);
  const store = await ReplicaStore.open(optionsFor(life, folder));
  const { image } = store;
  await store.close();
  expect(stored.at(-1)).toBe(life.written.findLast((each) => each.type === 'persist')?.id);
  expect([...stored].sort((a, b) => a - b)).toEqual(stored);
  expect(image).toEqual(life.cluster.node(2).disk.image());
});

test('[B12] blocks go into the database together and soon, and no close forgets them', async () => {
  const cluster = new LocalCluster();
  for (let i = 0; i < 6; i += 1)
    cluster.submit(cluster.world.sign(cluster.world.grant(`somebody ${i}`)));
  const executed = [...cluster.replica(0).blocks.values()].map(({ header, batch, results }) => ({
    ...({ type: 'executed', header, batch, results, seal: null } as const),
  }));
  const options = optionsFor(life, folder);
  await createReplicaFolder(options);
  const store = await ReplicaStore.open(options);
  for (const effect of executed.slice(0, 3)) store.write(effect);
  await new Promise(setImmediate);
  expect(await store.blocks.get(1)).toBeNull();
  await expect.poll(() => store.blocks.get(3)).toMatchObject({ header: { sequence: 3 } });
  for (const effect of executed.slice(3)) store.write(effect);
  await store.close();
  const again = await ReplicaStore.open(options);
  expect(await again.blocks.range(1, 10)).toHaveLength(6);
  await again.close();
});

test('[B3] what one turn of the event loop brings goes to the disk together', async () => {
  const options = optionsFor(life, folder);
  await createReplicaFolder(options);
  const store = await ReplicaStore.open(options);
  const stored: number[] = [];
  store.listen({ stored: (id) => stored.push(id), failed: (fault) => expect.fail(fault.message) });
  const records = life.written.filter((each) => each.type === 'persist').slice(0, 6);
  for (const record of records.slice(0, 3)) {
    store.write(record);
    // A step of its own, and its microtasks over: in the same turn all the same.
    await Promise.resolve().then(() => undefined);
  }
  await expect.poll(() => stored).toEqual([records[2]!.id]);
  for (const record of records.slice(3)) store.write(record);
  await store.close();
  expect(stored).toEqual([records[2]!.id, records[5]!.id]);
});

/** The groups of a life in which the log leads to every state, or to none. */
function groupsOf(leadsHere: boolean): Group[] {
  const queue = new StoreQueue();
  for (const effect of life.written)
    queue.add(effect.type === 'stable' ? { ...effect, leadsHere } : effect);
  const groups = [];
  while (queue.length > 0) groups.push(queue.take());
  return groups;
}

test('[B7] a record that speaks of a checkpoint waits for its state, and the group ends before it', () => {
  const { recordId } = lastStable(life)!;
  const groups = groupsOf(false);
  const ofState = groups.find(({ state }) => state?.recordId === recordId)!;
  const before = groups.slice(0, groups.indexOf(ofState)).flatMap(({ records }) => records);
  expect(before).toHaveLength(recordId - 1);
  expect(groups.flatMap(({ records }) => records)).toHaveLength(
    life.written.filter(({ type }) => type === 'persist').length,
  );
  const last = life.written.findLast((effect) => effect.type === 'persist')!;
  expect(last.id).toBeGreaterThan(recordId);
  expect(ofState.toldAgainId).toBe(last.id);
});

test('[B7] where the log leads to it, its records go with those before, one state a group', () => {
  const [first, second] = groupsOf(true);
  const [one, two] = life.written.filter((effect) => effect.type === 'stable');
  expect(first).toMatchObject({ state: { recordId: one!.recordId }, lastId: two!.recordId - 1 });
  expect(first?.toldAgainId).toBe(two!.recordId - 1);
  expect(second?.state?.recordId).toBe(two!.recordId);
});

test('[B7] a state to which the log leads keeps no record waiting; without it the log is whole', async () => {
  const stables = life.written.filter((effect) => effect.type === 'stable');
  expect(stables.map(({ leadsHere }) => leadsHere)).toEqual([true, true]);
  await createReplicaFolder(optionsFor(life, folder));
  const told: unknown[] = [];
  const options = optionsFor(life, folder);
  const store = await ReplicaStore.open({
    ...options,
    parts: (app) => {
      told.push('state');
      if (told.filter((each) => each === 'state').length > 1) throw new Error('no power');
      return options.parts(app);
    },
  });
  store.listen({ stored: (id) => told.push(id), failed: ({ code }) => told.push(code) });
  for (const effect of life.written) {
    store.write(effect);
    await new Promise(setImmediate);
  }
  await store.close();
  const [, second] = stables;
  const stored = told.findIndex((id) => typeof id === 'number' && id >= second!.recordId);
  expect(stored).toBeLessThan(told.lastIndexOf('state'));
  expect(told.at(-1)).toBe('ledger/storage-failed');
  const { amnesia, image } = await closed(folder);
  expect(amnesia).toBeNull();
  expect(image.state?.header.sequence).toBe(stables[0]?.state.header.sequence);
  expect(image.pruned.count + image.records.length).toBe(
    Math.max(...told.filter((id) => typeof id === 'number')),
  );
});

test('[B7] a state to which the log leads is written once it is due; its certificate at once', async () => {
  const stables = life.written.filter((effect) => effect.type === 'stable');
  const [first, second] = stables.map(({ state }) => state.header.sequence);
  const written = life.written.map((effect) =>
    effect.type === 'stable' ? { ...effect, dueAfter: second! - first! + 1 } : effect,
  );
  await writeLife({ ...life, written }, folder);
  const store = await ReplicaStore.open(optionsFor(life, folder));
  const { image, amnesia, blocks } = store;
  const certified = [];
  for (const at of [first!, first! + 1]) certified.push(await blocks.certificateFrom(at));
  await store.close();
  expect(amnesia).toBeNull();
  expect(image.state?.header.sequence).toBe(first);
  // From its record on, and nothing of it is cut.
  const last = life.written.findLast((effect) => effect.type === 'persist')!;
  expect(image.pruned.count).toBe(stables[0]!.recordId - 1);
  expect(image.pruned.count + image.records.length).toBe(last.id);
  expect(certified.map((each) => each?.sequence)).toEqual([first, second]);
});

test('[B6] torn among the votes that are logged again, the log goes on from the state before', () => {
  const { segments, ties } = layOut(life, 1 << 20);
  const { owner } = life;
  const log = readLog(segments, owner, nodeSha256);
  const [before, newest] = ties.slice(-2) as [StateTie, StateTie];
  // The power went while its group was written: whole records past the head count.
  const sure = log.records[newest.recordId - 2]!.after;
  const slot = { ...owner, ...sure, epoch: 0, view: 0, counter: 1 };
  const torn = { ...log, records: log.records.slice(0, newest.recordId + 1) };
  const goesOnFrom = (toldAgainId: number) => {
    const of = { log: torn, slots: [slot, slot], ties: [before, { ...newest, toldAgainId }] };
    const verdict = judgeFolder(of, owner);
    return verdict.kind === 'whole' ? verdict.state?.sequence : verdict.why;
  };
  expect(goesOnFrom(newest.recordId + 1)).toBe(newest.sequence);
  expect(goesOnFrom(newest.recordId + 2)).toBe(before.sequence);
});

test('[B7] killed between the state and its record: the state before it, and all of the log', async () => {
  const stable = life.written.indexOf(lastStable(life)!);
  await writeLife(life, folder, stable - 1);
  const before = life.written.slice(0, stable - 1).findLast((each) => each.type === 'stable');
  const state = lastStable(life)!;
  // The state is on disk, and the record is not.
  const store = await ReplicaStore.open(optionsFor(life, folder));
  await store.close();
  const { States } = await import('#lib/ledger/store/states.ts');
  const { openDatabase } = await import('#lib/ledger/store/database.ts');
  const database = await openDatabase(join(folder, 'db'));
  const states = await States.open(database);
  const { app, ...rest } = state.state;
  await states.save(
    { recordId: state.recordId, toldAgainId: state.recordId, logKey: life.owner.key },
    rest,
    optionsFor(life, folder).parts(app),
  );
  await database.close();
  const again = await ReplicaStore.open(optionsFor(life, folder));
  await again.close();
  expect(again.amnesia).toBeNull();
  expect(again.image.state?.header.sequence).toBe(before?.state.header.sequence);
  expect(again.image.pruned.count + again.image.records.length).toBe(state.recordId - 1);
});

test('[B1] a second replica on one folder is told so', async () => {
  await createReplicaFolder(optionsFor(life, folder));
  const first = await ReplicaStore.open(optionsFor(life, folder));
  await expect(ReplicaStore.open(optionsFor(life, folder))).rejects.toMatchObject({
    code: 'ledger/folder-in-use',
  });
  await first.close();
  await (await ReplicaStore.open(optionsFor(life, folder))).close();
});

test('[B1] also one of another process, and its end frees the folder', async () => {
  const script = 'tests/support/ledger/hold-folder.ts';
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const options = {
    ...{ folder, chain: new Uint8Array(32).fill(1), voteKey: new Uint8Array(32).fill(2) },
    ...{ sha256: nodeSha256, parts: () => [], isFirst: () => true },
  };
  await expect(ReplicaStore.open(options)).rejects.toMatchObject({ code: 'ledger/folder-in-use' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await ReplicaStore.open(options)).close();
});

test('[B2] a folder of another network is refused, and a log of another chain or key', async () => {
  await writeLife(life, folder);
  const options = optionsFor(life, folder);
  const refused = { code: 'ledger/other-chain' };
  await expect(
    ReplicaStore.open({ ...options, chain: other(options.chain) }),
  ).rejects.toMatchObject(refused);
  // The same log, carried to where another chain, and another key, look for theirs.
  const voteKey = other(options.voteKey);
  await cp(join(folder, logName), join(folder, logFolderName(voteKey)), { recursive: true });
  await expect(ReplicaStore.open({ ...options, voteKey })).rejects.toMatchObject(refused);
  await rm(join(folder, 'db'), { recursive: true });
  await expect(
    ReplicaStore.open({ ...options, chain: other(options.chain) }),
  ).rejects.toMatchObject(refused);
});

test('[B8] amnesia is for ever: a log that was cut never looks whole again', async () => {
  await writeLife(life, folder);
  const [segment = ''] = (await readdir(join(folder, logName))).filter((name) =>
    /^wal\.\d/.test(name),
  );
  const bytes = await readFile(join(folder, logName, segment));
  await truncate(join(folder, logName, segment), 3_000);
  const first = await ReplicaStore.open(optionsFor(life, folder));
  expect(first.amnesia).toMatch(/its head says/);
  expect(first.image.head).toBeNull();
  await first.close();
  // Even if the bytes come back: who knows what was signed in between.
  await writeFile(join(folder, logName, segment), bytes);
  const second = await ReplicaStore.open(optionsFor(life, folder));
  expect(second.amnesia).not.toBeNull();
  await second.close();
});

test('[B8] no log where one should be is amnesia; a new key with its own log votes on the old state', async () => {
  await writeLife(life, folder);
  await rm(join(folder, logName), { recursive: true });
  const first = await ReplicaStore.open(optionsFor(life, folder));
  expect(first.amnesia).not.toBeNull();
  await first.close();
  const options = { ...optionsFor(life, folder), voteKey: other(life.owner.key) };
  await createReplicaFolder(options);
  const second = await ReplicaStore.open(options);
  expect(second.amnesia).toBeNull();
  expect(second.image).toMatchObject({ head: { count: 0 }, records: [] });
  expect(second.image.state?.header.sequence).toBe(lastStable(life)?.state.header.sequence);
  await second.close();
});

test('[B8] a log is never made where one is', async () => {
  await createReplicaFolder(optionsFor(life, folder));
  await expect(createReplicaFolder(optionsFor(life, folder))).rejects.toMatchObject({
    code: 'ledger/damaged',
  });
});

test('[B5] either slot of the head lost or cut on disk: nothing is lost, and it is healed', async () => {
  await writeLife(life, folder);
  const { image } = await closed(folder);
  for (const name of ['wal.head.0', 'wal.head.1']) {
    for (const damage of [
      (path: string) => rm(path),
      (path: string) => truncate(path, HEAD_BYTES - 1),
    ]) {
      await damage(join(folder, logName, name));
      const after = await closed(folder);
      expect(after.amnesia).toBeNull();
      expect(after.image.records).toEqual(image.records);
    }
  }
});

async function closed(path: string): Promise<ReplicaStore> {
  const store = await ReplicaStore.open(optionsFor(life, path));
  await store.close();
  return store;
}

test('[B10] what the disk does not take is never called stored, and ends the replica', async () => {
  await createReplicaFolder(optionsFor(life, folder));
  const store = await ReplicaStore.open(optionsFor(life, folder));
  const told: unknown[] = [];
  store.listen({
    stored: (id) => told.push(id),
    failed: ({ code }) => told.push(code),
  });
  await store.close();
  for (const effect of life.written.slice(0, 3)) {
    store.write(effect);
    await store.idle();
  }
  expect(told).toEqual(['ledger/storage-failed']);
});
