import { expect, test } from 'vitest';
import { stormRun, type Met } from '#tests/support/replica-campaign.ts';

/** `LEDGER_STORMS=FROM-TO` runs others than these. */
const [from = 1, to = 60] = (process.env['LEDGER_STORMS'] ?? '')
  .split('-')
  .filter(Boolean)
  .map(Number);

test('storms break no promise, and after each the ledger goes on', { timeout: 600_000 }, () => {
  const all: Met[] = [];
  for (let seed = from; seed <= to; seed += 1) all.push(stormRun(seed));
  const sum = (of: (met: Met) => number): number => all.reduce((total, met) => total + of(met), 0);
  // A storm that met nothing would prove nothing.
  expect(sum(({ executed }) => executed)).toBeGreaterThan(10 * all.length);
  expect(sum(({ newViews }) => newViews)).toBeGreaterThan(3 * all.length);
  for (const kind of ['transfers', 'epochs', 'evidence', 'amnesias', 'crashes'] as const) {
    expect(sum((met) => met[kind])).toBeGreaterThan(all.length / 20);
  }
});
