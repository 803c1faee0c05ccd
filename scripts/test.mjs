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

/** A layer's commands run beside each other: integration waits on sockets while lint computes. */
const LAYERS = [
  [
    'architecture, unit, property, transcript, contract',
    vitest('architecture', 'unit', 'property', 'transcript', 'contract'),
  ],
  ['golden', vitest('golden')],
  ['simulator', vitest('sim')],
  [
    'integration; types and lint beside it',
    [...vitest('integration'), '--no-file-parallelism'],
    TYPES,
    LINT,
  ],
  ['end to end, in real tabs', [...vitest('e2e'), '--no-file-parallelism']],
];

const FULL = [
  ['simulator, 50 000 seeds', ['scripts/ts.mjs', 'sim/cli.ts', 'session', '--seeds=50000']],
  ['failover, all cases', ['scripts/ts.mjs', 'tests/e2e/cli.ts', '--all']],
];

function vitest(...folders) {
  return ['node_modules/vitest/vitest.mjs', 'run', ...folders.map((name) => `tests/${name}/`)];
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
  const layers = process.argv.includes('--full') ? [...LAYERS, ...FULL] : LAYERS;
  const env = { CHROMIUM: chromium, NEXT_TELEMETRY_DISABLED: '1' };
  for (const [name, ...commands] of layers) {
    say(`\n— ${name} (${seconds()})`);
    await Promise.all(commands.map((args) => run(process.execPath, args, { env })));
  }
  say(`\nAll green in ${seconds()}.`);
} catch (error) {
  say(`\n${error instanceof Error ? error.message : String(error)} (after ${seconds()})`);
  process.exit(1);
}
