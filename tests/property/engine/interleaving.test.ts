import { expect, it } from 'vitest';
import { cpuFactory } from '#tests/support/engine.ts';
import { runInterleavings } from '#tests/support/interleaving.ts';

/** `npm run test:full` runs 5 000; one again: `node scripts/ts.mjs tests/property/engine/cli.ts --from=SEED --seeds=1`. */
const SEEDS = 400;

it(`[W1] [W3] [W8] ${SEEDS} seeds: whatever runs beside it, a session gets what it gets alone, to the bit`, async () => {
  const happened = await runInterleavings(await cpuFactory(), { from: 1, seeds: SEEDS });
  // Runs in which nothing met have shown nothing.
  expect(happened.widest).toBe(16);
  expect(happened.rows / happened.steps).toBeGreaterThan(10);
  for (const count of [happened.rollBacks, happened.sharedPages, happened.noPages]) {
    expect(count).toBeGreaterThan(SEEDS);
  }
  expect(happened.samples).toBeGreaterThan(20 * SEEDS);
}, 60_000);
