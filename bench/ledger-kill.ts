import { killRun } from '#tests/support/ledger/kill-run.ts';
import { atLeast, atMost, machine, type BenchResult } from './result.ts';

const SECONDS = 60;
const PER_SECOND = 200;

/** Four replicas as processes for a minute at 200 transactions a second, one killed every 5 s, then all. */
export async function run(): Promise<BenchResult> {
  const report = await killRun({
    ...{ seed: 60, seconds: SECONDS, perSecond: PER_SECOND, killEveryMs: 5_000 },
  });
  const { offered, acknowledged, killed, killedPrimaries, blocks, faults, latencyMs } = report;
  return {
    name: 'ledger-kill',
    machine: machine(),
    figures: {
      'transactions offered': offered,
      'processes killed': killed,
      'primaries among them, but for the last four': killedPrimaries,
      blocks,
      'ms to an acknowledgement, p50': Math.round(latencyMs.p50),
      'ms to an acknowledgement, p99': Math.round(latencyMs.p99),
      'broken promises': faults.slice(0, 5).join('; ') || 'none',
    },
    bars: [
      atMost('broken promises', faults.length, { max: 0, unit: 'lost, doubled, unequal' }),
      atLeast('acknowledged', acknowledged, { min: offered, unit: 'transactions' }),
      atMost('until all is acknowledged after the last kill', report.drainMs / 1000, {
        ...{ max: 10, unit: 's' },
      }),
    ],
  };
}
