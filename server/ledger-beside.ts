import { join } from 'node:path';
import { GenesisFileAccess } from './ledger/access.ts';
import { GENESIS_FILE } from './replica/genesis-file.ts';
import { REPLICA_V8_FLAGS } from './replica/v8-flags.ts';
import { startSupervised, type Supervised } from './supervised.ts';

/** The credit ledger's replicas in a process beside this one, and the gateway's way to them. */
export class LedgerBeside {
  readonly access: GenesisFileAccess;
  readonly #folder: string;
  #process: Supervised | null = null;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'ledger');
    this.access = new GenesisFileAccess(join(this.#folder, GENESIS_FILE));
  }

  start(log: (line: string) => void): void {
    const entry = ['scripts/bundled.mjs', 'server/replica/local-main.ts'];
    const args = [...REPLICA_V8_FLAGS, ...entry, this.#folder];
    this.#process = startSupervised({ name: 'ledger', args, log });
  }

  async stop(): Promise<void> {
    this.access.close();
    await this.#process?.stop();
  }
}
