import { loadCopy } from '#sim/load-core.ts';
import type { LedgerCore } from './core.ts';

/** The folder whose code is under test, as it lies in the repository. */
export const LEDGER_FOLDERS = ['lib/ledger'] as const;

const FACE = `
export { genesisState } from '#lib/ledger/account/genesis.ts';
export { ledgerApplication } from '#lib/ledger/application/application.ts';
export { inspect } from '#lib/ledger/pbft/inspect.ts';
export { createReplica, stepReplica } from '#lib/ledger/pbft/replica.ts';
export { nextTickAt } from '#lib/ledger/pbft/timers.ts';
`;

/**
 * Loads a copy of the ledger: `dir` has `lib/ledger`, or is that folder of such a copy. What it lacks is
 * ours, and so are all checkers.
 * @throws Error where `dir` holds no such folder.
 */
export const loadLedger = (dir: string): Promise<LedgerCore> =>
  loadCopy<LedgerCore>(dir, { folders: LEDGER_FOLDERS, face: FACE });
