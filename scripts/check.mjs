import { requireNode } from './setup/node-version.mjs';
import { ensureDependencies, ensureKernels } from './setup/steps.mjs';
import { run, say } from './setup/run.mjs';

/** Types, lint, format and the fast tests: what to run before a commit. */
requireNode();
const bin = (path) => [process.execPath, `node_modules/${path}`];
const steps = [
  ['types', ...bin('typescript/bin/tsc'), '--noEmit'],
  [
    'lint',
    ...bin('eslint/bin/eslint.js'),
    '.',
    '--max-warnings',
    '0',
    '--cache',
    '--cache-location',
    'build/eslint',
  ],
  ['format', ...bin('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
  [
    'tests',
    ...bin('vitest/vitest.mjs'),
    'run',
    'tests/architecture',
    'tests/unit',
    'tests/property',
  ],
];
try {
  await ensureDependencies();
  await ensureKernels();
  for (const [name, command, ...args] of steps) {
    say(`— ${name}`);
    await run(command, args);
  }
} catch (error) {
  say(error.message);
  process.exit(1);
}
