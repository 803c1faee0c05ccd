import { defineConfig } from 'vitest/config';

/** `npm run test:gpu`: tests of the machine's own GPU, and no other. */
const onGpu = process.env['GPU'] === '1';

/** Layers of tests by folder; `scripts/test.mjs` runs them in order of how fast they fail. */
export default defineConfig({
  test: {
    include: [onGpu ? 'tests/**/*.gpu.test.ts' : 'tests/**/*.test.ts'],
    exclude: [...(onGpu ? [] : ['tests/**/*.gpu.test.ts']), 'node_modules'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    // Of a machine whose cores others use, too: what waits for an event waits long before it is red.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
    passWithNoTests: false,
  },
});
