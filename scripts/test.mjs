import { requireNode } from './setup/node-version.mjs';
import { ensureDependencies, ensureKernels, ensurePages } from './setup/steps.mjs';
import { ensureChromium } from './setup/chromium.mjs';
import { run, say } from './setup/run.mjs';

/**
 * All layers of tests, from a bare clone: cheapest first, browsers last and one at a time.
 * `--full` adds what does not fit into a push: longer campaigns, the whole failover table.
 */
const TYPES = ['node_modules/typescript/bin/tsc', '--noEmit'];
const LINT = [
  'node_modules/eslint/bin/eslint.js',
  ...['.', '--max-warnings', '0', '--cache', '--cache-location', 'build/eslint'],
];

/** Integration that waits for servers of its own, one process each, and measures no link. */
const SERVERS = [
  ...['dialect/', 'gateway/', 'server/', 'storage/'],
  ...['http', 'file', 'peer-silent', 'peer-liars'].map((name) => `bad-input/${name}`),
].map((name) => `integration/${name}`);
/** Pages and stores whose states stand still until they were looked at, and clients: no pause is measured. */
const STILL = ['pages-chat-', 'pages-volunteer', 'storage', 'clients', 'sampling'].map(
  (name) => `e2e/${name}`,
);

/**
 * A layer's lanes run beside each other, a lane's commands one after the other: links wait on sockets
 * while servers boot and lint computes. No more than two lanes, as many as there are cores at least.
 */
const LAYERS = [
  [
    'architecture, unit, property, transcript, contract',
    [vitest('architecture/', 'unit/', 'property/', 'transcript/', 'contract/')],
  ],
  ['golden', [vitest('golden/')]],
  ['simulator', [vitest('sim/')]],
  [
    'integration; types and lint beside it',
    [oneByOne('integration/', SERVERS)],
    [[...vitest(...SERVERS), '--no-file-parallelism'], TYPES, LINT],
  ],
  ['end to end, whatever stands still', [vitest(...STILL)]],
  ['end to end, against the clock', [oneByOne('e2e/', STILL)]],
];

const FULL = [
  ['simulator, 50 000 seeds', [['scripts/ts.mjs', 'sim/cli.ts', 'session', '--seeds=50000']]],
  [
    'simulated ledgers, 10 000 seeds',
    [['scripts/ts.mjs', 'sim/cli.ts', 'ledger', '--seeds=10000']],
  ],
  ['engine, 5 000 interleavings', [['scripts/ts.mjs', 'tests/property/engine/cli.ts']]],
  ['guessed ids, all golden rows', [['scripts/ts.mjs', 'tests/integration/stage/cli.ts']]],
  ['answers that are JSON, 200 pairs', [['scripts/ts.mjs', 'tests/e2e/cli.ts', '--json']]],
  ['failover, all cases', [['scripts/ts.mjs', 'tests/e2e/cli.ts', '--all']]],
  ['soak, 30 minutes', [['scripts/ts.mjs', 'tests/e2e/cli.ts', '--soak']]],
];

/** What tests of every layer do more of. */
const MORE = {
  ...{ LEDGER_TRANSACTIONS: '100000', LEDGER_FRAMES: '1000000' },
  ...{ GPU_SEEDS: '200', EVERY_ROW: '1' },
};

/** Tests whose paths begin so, two files at a time. */
function vitest(...names) {
  return ['node_modules/vitest/vitest.mjs', 'run', ...names.map((name) => `tests/${name}`)];
}

/** Tests of a folder but those, one file at a time. */
function oneByOne(folder, others) {
  const exclude = others.flatMap((name) => ['--exclude', `tests/${name}*{,/**}`]);
  return [...vitest(folder), '--no-file-parallelism', ...exclude];
}

async function runLane(commands, env) {
  for (const args of commands) await run(process.execPath, args, { env });
}

requireNode();
if (process.argv.includes('--help')) {
  say('npm test               every layer of tests\nnpm run test:full      and the long campaigns');
  process.exit(0);
}
const startedAt = performance.now();
const seconds = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
try {
  await ensureDependencies();
  await ensureKernels();
  await ensurePages();
  const chromium = await ensureChromium();
  const isFull = process.argv.includes('--full');
  const layers = isFull ? [...LAYERS, ...FULL] : LAYERS;
  const env = {
    CHROMIUM: chromium,
    NEXT_TELEMETRY_DISABLED: '1',
    ...(isFull ? MORE : {}),
  };
  for (const [name, ...lanes] of layers) {
    say(`\n— ${name} (${seconds()})`);
    // To the end of both: a lane that was left behind would go on after the verdict.
    const ends = await Promise.allSettled(lanes.map((commands) => runLane(commands, env)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
  say(`\nAll green in ${seconds()}.`);
} catch (error) {
  say(`\n${error instanceof Error ? error.message : String(error)} (after ${seconds()})`);
  process.exit(1);
}
