import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

/** Blocks 1 … `count`, by everybody else's votes. */
function commit(alone: Alone, count: number): void {
  for (let sequence = 1; sequence <= count; sequence += 1)
    alone.commit(1, sequence, alone.batch(`a${sequence}`));
}

const typesOnDisk = (cluster: Cluster, index: number): string[] =>
  cluster
    .node(index)
    .disk.image()
    .records.map((bytes) => {
      const record = decodeRecord(bytes);
      return isFault(record) ? 'damaged' : record.type;
    });

test('[R27] two lose their power, a third lags, the fourth is silent: the checkpoint that they said is there', () => {
  const cluster = new Cluster();
  const [, , lags, faulty] = cluster.nodes;
  cluster.liars.add('r3');
  cluster.fate = (from, to, message) => {
    if (message.type === 'seal') return from === faulty && to !== lags ? [] : [5];
    return from === lags || to === lags ? [] : [5];
  };
  for (let i = 0; i < 8; i += 1) {
    cluster.request(`a${i}`, [0, 1, 3]);
    cluster.run(30);
  }
  expect(cluster.view(0)).toMatchObject({ executed: 8, stable: 0 });
  expect(cluster.view(1)).toMatchObject({ executed: 8, stable: 0 });
  expect(cluster.view(2)).toMatchObject({ executed: 0, stable: 0, ahead: 8 });
  for (const index of [0, 1, 3]) cluster.crash(index);
  cluster.fate = () => [5];
  for (const index of [0, 1]) cluster.restart(index);
  cluster.request('b', [0, 1, 2]);
  expect(cluster.until(() => cluster.isExecutedBy('b', [0, 1, 2]), 30_000)).toBeLessThan(Infinity);
});

test('[R27] CHECKPOINT leaves once what leads to its state is on disk', () => {
  const alone = new Alone();
  commit(alone, 7);
  alone.diskMs = () => 50;
  alone.commit(1, 8, alone.batch('a8'));
  expect(alone.view(1).executed).toBe(8);
  alone.run(40);
  expect(alone.said(1, 'seal')).toEqual([]);
  alone.run(70);
  expect(typesOnDisk(alone, 1).at(-1)).toBe('checkpoint');
  expect(alone.said(1, 'seal').map(({ sequence }) => sequence)).toEqual([8]);
});

test('[R27] a restart executes again what it had said CHECKPOINT to, and says the same', () => {
  const alone = new Alone();
  commit(alone, 10);
  const before = alone.view(1);
  const [said] = alone.said(1, 'seal');
  expect(before).toMatchObject({ executed: 10, stable: 0 });
  alone.crash(1);
  alone.restart(1);
  // What came after it is committed anew, by COMMITs that are repeated.
  expect(alone.view(1)).toMatchObject({ executed: 8, stable: 0, isAmnesiac: false });
  expect(alone.node(1).state.seals.get(8)?.get(1)).toEqual(said);
  for (const by of [0, 2]) alone.tell(1, by, alone.seal(by, 8, said!.headerHash));
  expect(alone.view(1)).toMatchObject({ executed: 8, stable: 8 });
});

test('[R27] a batch that no vote of ours holds is logged with the checkpoint that needs it', () => {
  const alone = new Alone();
  commit(alone, 3);
  // It left the view alone: 4 … 8 are proven by the COMMITs of others.
  alone.run(1_500);
  expect(alone.view(1)).toMatchObject({ view: 1, phase: 'changing' });
  for (let sequence = 4; sequence <= 8; sequence += 1) {
    const batch = alone.batch(`a${sequence}`);
    alone.tell(1, 0, alone.proposal(0, sequence, batch));
    for (const by of [0, 2, 3])
      alone.tell(1, by, alone.vote(by, 'commit', { sequence, digest: batch.digest }));
    alone.run(5);
  }
  expect(alone.view(1).executed).toBe(8);
  expect(typesOnDisk(alone, 1).slice(-6).join()).toMatch(/^(batch,){5}checkpoint$/);
  alone.crash(1);
  alone.restart(1);
  expect(alone.view(1)).toMatchObject({ view: 1, executed: 8 });
});

test('[R27] a log that is cut at one checkpoint still leads to the next', () => {
  const alone = new Alone();
  commit(alone, 16);
  const seals = alone.said(1, 'seal');
  expect(seals.map(({ sequence }) => sequence)).toEqual([8, 16]);
  for (const by of [0, 2]) alone.tell(1, by, alone.seal(by, 8, seals[0]!.headerHash));
  alone.run(5);
  alone.commit(1, 17, alone.batch('a17'));
  expect(alone.view(1)).toMatchObject({ executed: 17, stable: 8 });
  const { state, pruned } = alone.node(1).disk.image();
  expect(state?.header.sequence).toBe(8);
  expect(pruned.count).toBeGreaterThan(0);
  alone.crash(1);
  alone.restart(1);
  expect(alone.view(1)).toMatchObject({ executed: 16, stable: 8, isAmnesiac: false });
});

test('[R27] a state to which the log leads keeps nobody waiting: lost with the power, it is made again', () => {
  const alone = new Alone();
  commit(alone, 9);
  const [said] = alone.said(1, 'seal');
  for (const by of [0, 2]) alone.tell(1, by, alone.seal(by, 8, said!.headerHash));
  alone.run(5);
  expect(alone.view(1)).toMatchObject({ executed: 9, stable: 8 });
  alone.crash(1);
  // The record that it is stable is there, and the state is not.
  expect(typesOnDisk(alone, 1)).toContain('stable');
  expect(alone.node(1).disk.image().state).toBeNull();
  alone.restart(1);
  expect(alone.view(1)).toMatchObject({ executed: 8, stable: 8, isAmnesiac: false });
  alone.run(5);
  expect(typesOnDisk(alone, 1).filter((type) => type === 'stable')).toHaveLength(2);
});

/** Blocks up to `count`, and each checkpoint among them stable. */
function commitStable(alone: Alone, count: number): void {
  for (let sequence = alone.view(1).executed + 1; sequence <= count; sequence += 1) {
    alone.commit(1, sequence, alone.batch(`a${sequence}`));
    if (sequence % 8 !== 0) continue;
    alone.run(5);
    const said = alone.said(1, 'seal').find((seal) => seal.sequence === sequence)!;
    for (const by of [0, 2]) alone.tell(1, by, alone.seal(by, sequence, said.headerHash));
    alone.run(5);
  }
}

test('[R27] from one state on disk the log leads over several checkpoints', () => {
  const alone = new Alone();
  commitStable(alone, 32);
  expect(alone.view(1)).toMatchObject({ executed: 32, stable: 32 });
  expect(alone.node(1).disk.image().state?.header.sequence).toBe(8);
  alone.crash(1);
  alone.restart(1);
  expect(alone.view(1)).toMatchObject({ executed: 32, stable: 32, isAmnesiac: false });
  // Two L above the state on disk the next is due, and the log before it goes.
  commitStable(alone, 41);
  const { state, pruned } = alone.node(1).disk.image();
  expect(state?.header.sequence).toBe(40);
  expect(pruned.count).toBeGreaterThan(0);
});

test('[R27] where the log does not lead to a checkpoint, its state is on disk before its record', () => {
  const alone = new Alone();
  commitStable(alone, 8);
  for (let sequence = 9; sequence <= 16; sequence += 1)
    alone.commit(1, sequence, alone.batch(`a${sequence}`));
  const node = alone.node(1);
  const [said] = alone.said(1, 'seal').slice(-1);
  // One of its batches is not known any more.
  const bodies = new Map([...node.state.bodies].filter(([, body]) => body.sequence !== 12));
  expect(bodies.size).toBe(node.state.bodies.size - 1);
  node.state = { ...node.state, bodies };
  for (const by of [0, 2]) alone.tell(1, by, alone.seal(by, 16, said!.headerHash));
  alone.run(5);
  expect(alone.view(1).stable).toBe(16);
  expect(node.disk.image().state?.header.sequence).toBe(16);
});
