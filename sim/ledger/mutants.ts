import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPatched, patchNames, readFindings, writeFindings } from '#sim/patches.ts';
import type { Found, MutantFamily } from '#sim/search.ts';
import type { LedgerCore } from './core.ts';
import type { LedgerCheck, LedgerFailure } from './failure.ts';
import { LEDGER_FOLDERS, loadLedger } from './load.ts';
import { runCalm } from './calm.ts';
import { runLedger } from './run.ts';

/** Where a rule of the ledger is broken on purpose: a campaign that does not notice lacks a checker. */

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../mutants/ledger');
const SEEDS_FILE = join(FOLDER, 'seeds.json');

export type LedgerFinding = Found<LedgerCheck>;

export const ledgerMutants = (): Promise<string[]> => patchNames(FOLDER);
export const ledgerFindings = (): Promise<Record<string, LedgerFinding>> =>
  readFindings(SEEDS_FILE);

/**
 * A copy of the ledger with one patch applied, loaded beside ours.
 * @throws Error where the patch does not apply.
 */
export const loadLedgerMutant = (name: string): Promise<LedgerCore> =>
  loadPatched(join(FOLDER, `${name}.patch`), { folders: LEDGER_FOLDERS, load: loadLedger });

/** The first failure of 200 transactions where nothing goes wrong; a mutant that counts has none. */
export function failsCalmly(core: LedgerCore): LedgerFailure | Error | null {
  try {
    return runCalm(core);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The checker that finds the mutant in this seed; null where none does, or the core threw. */
export function ledgerFoundBy(core: LedgerCore, seed: number): LedgerCheck | null {
  let failure: LedgerFailure | null;
  try {
    ({ failure } = runLedger(seed, { core }));
  } catch {
    // A broken core may throw anything.
    return null;
  }
  return failure === null || failure.check === 'invariant' ? null : failure.check;
}

export const LEDGER_MUTANTS: MutantFamily<LedgerCore, LedgerCheck> = {
  names: ledgerMutants,
  load: loadLedgerMutant,
  failsCalmly,
  foundBy: ledgerFoundBy,
  isClean: (seed) => runLedger(seed).failure === null,
  stored: ledgerFindings,
  store: (findings) => writeFindings(SEEDS_FILE, findings),
};
