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

/**
 * Searched for with `npm run sim -- ledger --mutants --missing --seeds=3000`: the last two by no seed so
 * far, the others by seeds of an earlier draw. Whoever finds one takes it off.
 */
const WITHOUT_SEED = [
  'executed-when-prepared',
  'patience-renewed-by-any-block',
  'prepare-accepted-as-commit',
  'quorum-of-2f-plus-1',
  'view-change-certificates-unverified',
  'view-change-omits-earlier-views',
  'withheld-not-logged-again',
  'commit-digest-not-compared',
  'older-certificate-preferred',
];

describe('mutants of the ledger', () => {
  test('each has the seed that finds it, but for those that are named', () => {
    expect(names.length).toBeGreaterThanOrEqual(35);
    expect([...Object.keys(findings), ...WITHOUT_SEED].sort()).toEqual(names);
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
