import { defineConfig } from 'vitest/config';

/** Layers of tests by folder; `scripts/test.mjs` runs them in order of how fast they fail. */
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/**/*.gpu.test.ts', 'node_modules'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
