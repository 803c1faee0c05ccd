import { parseArgs } from 'node:util';
import { runCampaign, type CampaignReport } from './campaign.ts';
import type { SimCore } from './core.ts';
import { campaignOfLedger, replayLedger } from './ledger/cli.ts';
import { LEDGER_MUTANTS } from './ledger/mutants.ts';
import { loadCore } from './load-core.ts';
import { SESSION_MUTANTS } from './mutants.ts';
import { searchMutants } from './search.ts';
import { EVENTS, isTooRare } from './session/events.ts';
import { runSession } from './session/run.ts';

const HELP = `npm run sim -- session|ledger [options]

Runs real cores over a simulated network, from seeds: those of a session (owners and stages), or the
ledger's replicas with its accounts on their disks.

  --seeds=N    how many seeds (300)
  --from=S     the first seed (1)
  --seed=S     one run again, bit for bit: every event as a line
  --core DIR   another copy of the core: DIR/lib/shard/session, DIR/lib/shard/stage/core; DIR/lib/ledger
  --mutants    breaks the core by each of sim/mutants/*.patch (sim/mutants/ledger/*.patch) and searches
               a seed that finds it
  --missing    with --mutants: searches only for those that their stored seed no longer finds, and
               stores what was found
  --help       this text

Prints how often each event really happened; exits 1 where a seed failed, an event happened too
seldom to have shown anything, or a mutant was not found.
`;

const print = (text: string): boolean => process.stdout.write(`${text}\n`);

/** The command line is wrong: says how it should be. */
function misused(text: string): never {
  process.stderr.write(`${text}\n\n${HELP}`);
  process.exit(2);
}

function natural(text: string, name: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  return misused(`--${name} needs a whole number, not ${text}`);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: 'string', default: '300' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        core: { type: 'string' },
        mutants: { type: 'boolean', default: false },
        missing: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
}

function one(seed: number, core: SimCore | null): number {
  const report = runSession(seed, { keepLines: true, ...(core && { core }) });
  for (const line of report.lines ?? []) print(line);
  print(`seed ${seed} trace ${report.hash} ${report.failure?.message ?? 'ok'}`);
  return report.failure ? 1 : 0;
}

function printReport({ events, counts, failures, ...report }: CampaignReport): void {
  const named = new Set(EVENTS.map(([name]) => name));
  const others = [...counts].filter(([name]) => !named.has(name));
  for (const [what, count] of others.sort(([a], [b]) => (a < b ? -1 : 1)))
    print(`${String(count).padStart(9)}           ${what}`);
  print('\n    count    least  event');
  for (const row of events) {
    const count = Number.isInteger(row.count) ? String(row.count) : row.count.toFixed(2);
    const least = String(row.min).padStart(7);
    print(`${count.padStart(9)}  ${least}  ${row.name}${isTooRare(row) ? '  TOO RARE' : ''}`);
  }
  for (const { seed, failure } of failures)
    print(`FAILED --seed=${seed} ${failure?.message ?? ''}`);
  const found = `${failures.length} failed, ${report.tooRare.length} events too rare`;
  print(`\n${report.seeds} seeds from ${report.from}: ${found}, trace ${report.hash}`);
}

function campaign(from: number, seeds: number, core: SimCore | null): number {
  const began = performance.now();
  const report = runCampaign(from, seeds, core ?? undefined);
  printReport(report);
  const seconds = (performance.now() - began) / 1000;
  print(`${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(0)} seeds/s`);
  return report.failures.length + report.tooRare.length > 0 ? 1 : 0;
}

type Values = ReturnType<typeof readArguments>['values'];

async function ledger(values: Values): Promise<number> {
  const core = values.core ?? null;
  if (values.seed !== undefined) return replayLedger(natural(values.seed, 'seed'), core, print);
  const range = { from: natural(values.from, 'from'), seeds: natural(values.seeds, 'seeds') };
  return values.mutants
    ? searchMutants(LEDGER_MUTANTS, { ...range, onlyMissing: values.missing }, print)
    : campaignOfLedger(range, core, print);
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  if (values.help) {
    print(HELP);
    return 0;
  }
  const [name] = positionals;
  if (name === 'ledger') return ledger(values);
  if (name !== 'session') return misused('Which simulation? There are: session, ledger');
  const core = values.core === undefined ? null : await loadCore(values.core);
  if (values.seed !== undefined) return one(natural(values.seed, 'seed'), core);
  const [from, seeds] = [natural(values.from, 'from'), natural(values.seeds, 'seeds')];
  if (!values.mutants) return campaign(from, seeds, core);
  return searchMutants(SESSION_MUTANTS, { from, seeds, onlyMissing: values.missing }, print);
}

process.exitCode = await main();
