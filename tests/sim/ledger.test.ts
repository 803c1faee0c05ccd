import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { runLedgerCampaign } from '#sim/ledger/campaign.ts';
import { RULE_BRANCHES } from '#lib/ledger/pbft/rule-branches.ts';
import { OUR_LEDGER } from '#sim/ledger/core.ts';
import { Disk } from '#sim/ledger/disk.ts';
import { UNCOUNTED_RULES } from '#sim/ledger/events.ts';
import { loadLedger } from '#sim/ledger/load.ts';
import { runLedger } from '#sim/ledger/run.ts';

const SEEDS = 500;
/** Less than 90 s on two cores of its own; a loaded machine may take its time. */
const PATIENCE_MS = 300_000;

describe('ledger campaign', () => {
  test(
    `${SEEDS} seeds: no promise broken, and all go on once the network has healed`,
    async () => {
      const { failures, tooRare } = await runLedgerCampaign(1, SEEDS);
      expect(failures.map(({ seed, message }) => `--seed=${seed} ${message}`)).toEqual([]);
      // A campaign in which nothing happened has shown nothing.
      expect(tooRare).toEqual([]);
    },
    PATIENCE_MS,
  );

  test('every rule of the replica has a branch that is counted, or a reason why not', async () => {
    const readme = await readFile('lib/ledger/pbft/README.md', 'utf8');
    const rules = [...readme.matchAll(/^- \*\*(R\d+) /gm)].map(([, rule]) => rule);
    const counted = RULE_BRANCHES.map((branch) => branch.split(' ')[0]);
    const named = new Set([...counted, ...UNCOUNTED_RULES.map(({ rule }) => rule)]);
    expect(rules.length).toBeGreaterThanOrEqual(26);
    expect([...named].sort()).toEqual([...rules].sort());
  });

  test('a seed replays bit for bit, traced or not, here or on a copy that is equal', async () => {
    const [once, again] = [runLedger(17), runLedger(17, { keepLines: true })];
    expect(again.hash).toBe(once.hash);
    expect(again.counts).toEqual(once.counts);
    expect(runLedger(18).hash).not.toBe(once.hash);
    const core = await loadLedger('.');
    expect(core.stepReplica).not.toBe(OUR_LEDGER.stepReplica);
    expect(runLedger(17, { core }).hash).toBe(once.hash);
  });

  test('the disk takes a state with its record, however its turns are cut', () => {
    // Seed 5466 of its day: the record that begins an epoch was on disk and the state was not.
    const disk = new Disk({ parts: () => [] });
    const record = new Uint8Array(8);
    disk.write({ type: 'persist', id: 1, record, epoch: 1, view: 0, barrier: true } as never);
    disk.write({ type: 'stable', recordId: 1, state: { app: {} }, endsEpoch: true } as never);
    disk.write({ type: 'persist', id: 2, record, epoch: 1, view: 0, barrier: true } as never);
    expect(disk.sync(1)).toBe(1);
    disk.crash();
    expect(disk.image().state).not.toBeNull();
    expect(disk.image().head?.count).toBe(1);
  });

  test('a seed with real signatures is as good as any', () => {
    expect(runLedger(50).failure).toBeNull();
  });

  test('the processes of a campaign make one report, however many they are', async () => {
    const [one, three] = await Promise.all([
      runLedgerCampaign(5, 6, { workers: 1 }),
      runLedgerCampaign(5, 6, { workers: 3 }),
    ]);
    expect(three.hash).toBe(one.hash);
    expect(three.counts).toEqual(new Map(one.counts));
  });
});
