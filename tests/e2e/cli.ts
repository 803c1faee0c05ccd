import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { parseCommandLine } from '#server/command-line.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { askPairs, jsonPairs } from '#tests/support/json-pairs.ts';
import { TestServer } from '#tests/support/server.ts';
import {
  ThreeTabs,
  WAYS,
  missed,
  type FailoverCase,
  type FailoverResult,
} from '#tests/support/three-tabs.ts';
import { missedBars, reportOf } from './soak/report.ts';
import { soak } from './soak/soak.ts';

const HELP = `npm run e2e -- [--all | --stage N --way close|kill|stop --at N|prefill]
npm run e2e -- --soak [--minutes N] [--seed N]
npm run e2e -- --json

Loses one of three tabs in the middle of an answer and prints, a case a line: equal or not, the
longest gap between two tokens, the idle share of a core afterwards, click to ready of the new tab.
--all   3 stages x 3 ways x (prefill and 8 positions) = 81 cases

--soak  four tabs and the built-in volunteer for 30 minutes while a tab leaves or joins every 10 s and
        four prompts are open; prints answers, memory and handles (tests/e2e/soak/README.md)

--json  200 pairs of a prompt and a JSON schema, 16 at a time, to the built-in volunteer: prints how
        many answers ended by themselves, and each that does not fit
`;
const POSITIONS = ['prefill', 1, 7, 13, 19, 25, 31, 37, 43] as const;

const misused = (why: string, cause?: unknown): FaultError =>
  new FaultError('server/config', `${why}\n\n${HELP}`, { cause });

const OPTIONS = {
  all: { type: 'boolean' },
  stage: { type: 'string' },
  way: { type: 'string' },
  at: { type: 'string' },
  soak: { type: 'boolean' },
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: '1' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const read = () => parseCommandLine({ options: OPTIONS }, misused).values;
type Values = ReturnType<typeof read>;

function chosen(values: Values): FailoverCase[] {
  const all = [0, 1, 2].flatMap((stage) =>
    WAYS.flatMap((way) => POSITIONS.map((at) => ({ stage: stage as 0 | 1 | 2, way, at }))),
  );
  return all.filter(
    (one) =>
      (values.stage === undefined || String(one.stage) === values.stage) &&
      (values.way === undefined || one.way === values.way) &&
      (values.at === undefined || String(one.at) === values.at),
  );
}

function row(result: FailoverResult): string {
  const ok = result.equal && result.error === null ? 'equal' : `DIFFERENT ${result.error ?? ''}`;
  const bars = missed(result).length === 0 ? 'met' : `missed: ${missed(result).join(', ')}`;
  return (
    `| ${result.stage} | ${result.way} | ${result.at} | ${ok} | ${Math.round(result.gapMs)} | ` +
    `${(100 * result.idleShare).toFixed(1)} | ${Math.round(result.backMs)} | ${bars} |`
  );
}

async function runSoak(values: Values): Promise<number> {
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes >= 1 && minutes <= 1440) || !Number.isSafeInteger(seed)) {
    throw misused('--minutes from 1 to 1440, --seed a whole number');
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const result = await soak({ minutes, seed, say });
  process.stdout.write(reportOf(result));
  return missedBars(result).length === 0 ? 0 : 1;
}

async function runJson(): Promise<number> {
  const server = await TestServer.start();
  try {
    const pairs = jsonPairs();
    const startedAt = performance.now();
    const verdicts = await askPairs(server.url, pairs, { maxTokens: 128, atOnce: 16 });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const wrong = verdicts.filter(({ fault }) => fault !== null);
    const whole = verdicts.filter(({ finish }) => finish === 'stop').length;
    for (const { name, fault, text } of wrong) {
      process.stdout.write(`${name}: ${fault ?? ''}\n  ${text}\n`);
    }
    const cut = verdicts.length - whole - wrong.length;
    process.stdout.write(
      `${whole} of ${pairs.length} ended by themselves and fit, ${cut} were cut, ` +
        `${wrong.length} are wrong; ${seconds} s\n`,
    );
    return wrong.length === 0 && whole >= pairs.length / 2 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

async function main(): Promise<number> {
  const values = read();
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.json === true) return runJson();
  if (values.soak === true) return runSoak(values);
  if (values.all !== true && values.stage === undefined) throw misused('Which cases?');
  const cases = chosen(values);
  if (cases.length === 0) {
    const known = `--stage 0 to 2, --way ${WAYS.join(', ')}, --at ${POSITIONS.join(', ')}`;
    throw misused(`no such case: ${known}`);
  }
  return runCases(cases);
}

async function runCases(cases: readonly FailoverCase[]): Promise<number> {
  const short = goldenRow('sky');
  const long = goldenRow('long1000');
  const cluster = await ThreeTabs.start();
  let bad = 0;
  process.stdout.write(
    '| stage | way | at | ids | gap ms | idle % | back ms | bars |\n|---|---|---|---|---|---|---|---|\n',
  );
  try {
    for (const failover of cases) {
      const prompt =
        failover.at === 'prefill'
          ? { ids: long.promptIds, expected: long.greedyIds.slice(0, 16) }
          : { ids: short.promptIds, expected: short.greedyIds.slice(0, 48) };
      const result = await cluster.run(failover, prompt);
      if (missed(result).length > 0) bad += 1;
      process.stdout.write(`${row(result)}\n`);
    }
  } finally {
    await cluster.end();
  }
  process.stdout.write(bad === 0 ? 'all bars met\n' : `${bad} cases missed a bar\n`);
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  if (!isFault(error, 'server/config')) throw error;
  process.stderr.write(error.message);
  return 2;
});
