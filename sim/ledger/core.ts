import { genesisState } from '#lib/ledger/account/genesis.ts';
import { ledgerApplication } from '#lib/ledger/application/application.ts';
import { inspect } from '#lib/ledger/pbft/inspect.ts';
import { createReplica, stepReplica } from '#lib/ledger/pbft/replica.ts';
import { nextTickAt } from '#lib/ledger/pbft/timers.ts';

/** What the simulator runs: ours, or another copy of it (`--core DIR`, mutants). Checkers use ours. */
export interface LedgerCore {
  readonly createReplica: typeof createReplica;
  readonly stepReplica: typeof stepReplica;
  readonly nextTickAt: typeof nextTickAt;
  readonly inspect: typeof inspect;
  readonly ledgerApplication: typeof ledgerApplication;
  readonly genesisState: typeof genesisState;
}

export const OUR_LEDGER: LedgerCore = {
  createReplica,
  stepReplica,
  nextTickAt,
  inspect,
  ledgerApplication,
  genesisState,
};
