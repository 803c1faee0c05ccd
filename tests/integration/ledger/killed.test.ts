import { expect, test } from 'vitest';
import { killRun } from '#tests/support/ledger/kill-run.ts';

test('[X8] four processes at 200 tx/s, killed one by one and then all: nothing is lost, nothing twice', async () => {
  const report = await killRun({ seed: 1, seconds: 20, perSecond: 200, killEveryMs: 5_000 });
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ killed: 8, killedPrimaries: 2, acknowledged: report.offered });
  expect(report.offered).toBeGreaterThan(3_900);
  expect(report.drainMs).toBeLessThan(10_000);
}, 90_000);
