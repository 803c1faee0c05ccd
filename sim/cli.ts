import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { runSession } from './session/run.ts';

const HELP = `npm run sim -- session [options]

Runs the real session cores (owner and stages) over a simulated network, from seeds.

  --seeds=N   how many seeds (300)
  --from=S    the first seed (1)
  --seed=S    one run again, bit for bit
  --trace     with --seed: every event as a line
  --help      this text

Prints how often each kind of event really happened; exits 1 where a seed failed.
`;

const print = (text: string): boolean => process.stdout.write(`${text}\n`);

function natural(text: string, name: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} needs a whole number, not ${text}\n`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: 'string', default: '300' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        trace: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

function one(seed: number, keepLines: boolean): number {
  const report = runSession(seed, { keepLines });
  for (const line of report.lines ?? []) print(line);
  print(`seed ${seed} trace ${report.hash} ${report.failure?.message ?? 'ok'}`);
  return report.failure ? 1 : 0;
}

function campaign(from: number, seeds: number): number {
  const began = performance.now();
  const report = runCampaign(from, seeds);
  const seconds = (performance.now() - began) / 1000;
  const rows = [...report.counts].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [what, count] of rows) print(`${String(count).padStart(9)}  ${what}`);
  for (const { seed, failure } of report.failures)
    print(`FAILED --seed=${seed} ${failure?.message ?? ''}`);
  print(
    `${seeds} seeds from ${from}: ${report.failures.length} failed, ` +
      `${(seeds / seconds).toFixed(0)} seeds/s, trace ${report.hash}`,
  );
  return report.failures.length > 0 ? 1 : 0;
}

function main(): number {
  const { values, positionals } = readArguments();
  if (values.help || positionals[0] !== 'session') {
    print(HELP);
    return values.help ? 0 : 2;
  }
  if (values.seed !== undefined) return one(natural(values.seed, 'seed'), values.trace);
  return campaign(natural(values.from, 'from'), natural(values.seeds, 'seeds'));
}

process.exitCode = main();
