import { describe, expect, test } from 'vitest';
import {
  failsCalmly,
  ledgerFindings,
  ledgerFoundBy,
  ledgerMutants,
  loadLedgerMutant,
} from '#sim/ledger/mutants.ts';

const names = await ledgerMutants();
const findings = await ledgerFindings();

describe('mutants of the ledger', () => {
  test('each has the seed that finds it', () => {
    expect(names.length).toBeGreaterThanOrEqual(39);
    expect(Object.keys(findings).sort()).toEqual(names);
  });

  // Their seeds are the campaign's, or such as `--mutants` has seen our own core pass.
  test.each(Object.keys(findings))(
    '%s passes 200 transactions without faults, and its seed finds it',
    async (name) => {
      const core = await loadLedgerMutant(name);
      expect(failsCalmly(core)).toBeNull();
      const { seed, check } = findings[name] ?? { seed: 0, check: null };
      expect(ledgerFoundBy(core, seed)).toBe(check);
    },
  );
});
