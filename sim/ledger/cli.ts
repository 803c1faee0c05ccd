import { runLedgerCampaign, type OnSeed } from './campaign.ts';
import { OUR_LEDGER } from './core.ts';
import { UNCOUNTED_RULES } from './events.ts';
import { loadLedger } from './load.ts';
import { runLedger } from './run.ts';

type Print = (text: string) => void;

/** One seed again, every event as a line. @returns the process' exit code. */
export async function replayLedger(seed: number, core: string | null, print: Print) {
  const ledger = core === null ? OUR_LEDGER : await loadLedger(core);
  const report = runLedger(seed, { keepLines: true, core: ledger });
  for (const line of report.lines ?? []) print(line);
  print(`seed ${seed} trace ${report.hash} ${report.failure?.message ?? 'ok'}`);
  return report.failure ? 1 : 0;
}

export interface Range {
  readonly from: number;
  readonly seeds: number;
}

/** Many seeds: the table of what happened, and what failed. */
export async function campaignOfLedger({ from, seeds }: Range, core: string | null, print: Print) {
  const began = performance.now();
  const onSeed = progress(seeds, print);
  const report = await runLedgerCampaign(from, seeds, { core, onSeed });
  for (const { rule, why } of UNCOUNTED_RULES) print(`not counted: ${rule}, ${why}`);
  const shown = new Set(report.events.map(({ name }) => name));
  for (const [what, count] of [...report.counts].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (!shown.has(what)) print(`${String(count).padStart(10)}             ${what}`);
  print('\n     count    bound  event');
  for (const { name, count, min, max } of report.events) {
    const value = Number.isInteger(count) ? String(count) : count.toFixed(2);
    const bound = max === undefined ? `≥ ${min}` : `≤ ${max}`;
    const isWrong = count < min || count > (max ?? Infinity);
    print(`${value.padStart(10)} ${bound.padStart(8)}  ${name}${isWrong ? '  OUT OF BOUNDS' : ''}`);
  }
  for (const { seed, message } of report.failures) print(`FAILED --seed=${seed} ${message}`);
  const wrong = `${report.failures.length} failed, ${report.tooRare.length} out of bounds`;
  print(`\n${seeds} seeds from ${from}: ${wrong}, trace ${report.hash}`);
  const seconds = (performance.now() - began) / 1000;
  const speed = `${report.messagesPerCpuS.toFixed(0)} messages a second of one core`;
  print(`${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(1)} seeds/s, ${speed}`);
  return report.failures.length + report.tooRare.length > 0 ? 1 : 0;
}

const PROGRESS_MS = 60_000;

/** A line a minute of a campaign that takes many, and each failure when it is there. */
function progress(seeds: number, print: Print): OnSeed {
  const began = performance.now();
  let saidAt = began;
  let done = 0;
  return (seed, failure) => {
    done += 1;
    if (failure !== null) print(`FAILED --seed=${seed} ${failure}`);
    const now = performance.now();
    if (now - saidAt < PROGRESS_MS || done === seeds) return;
    saidAt = now;
    const minutes = (((now - began) / done) * (seeds - done)) / 60_000;
    print(`${done} of ${seeds} seeds, some ${Math.ceil(minutes)} min to go`);
  };
}
