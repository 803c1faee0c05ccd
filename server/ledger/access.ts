import { FaultError } from '#lib/kernel/errors.ts';
import type { LedgerClient } from '#lib/ledger/client/client.ts';
import { CLIENT_TIMES } from '#lib/ledger/client/limits.ts';
import type { Reply } from '#lib/ledger/client/wire/answers.ts';
import type { Question } from '#lib/ledger/client/wire/requests.ts';
import type { LedgerAccess } from '../gateway/doors/ledger/desk.ts';
import type { Network } from './connect.ts';

/** Replicas that have just been started need a second to make their genesis and to meet. */
const STARTING_MS = 1_000;

/** Loading it takes as long as a good part of the server's start, and many a server is asked for nothing. */
const connecting = () => import('./connect.ts');

/** A gateway's way to the ledger: found and connected to when somebody first asks for it. */
export class GenesisFileAccess implements LedgerAccess {
  readonly #file: string;
  #network: Network | null = null;
  #client: LedgerClient | null = null;
  #isClosed = false;

  /** @param file the genesis; it may not be there yet */
  constructor(file: string) {
    this.#file = file;
  }

  async genesis(): Promise<Uint8Array> {
    const network = await this.#found();
    if (network !== null) return network.bytes;
    throw new FaultError('request/not-found', 'The ledger is being made: ask again in a second.');
  }

  async serve(question: Question): Promise<Reply> {
    const network = await this.#found();
    if (network === null) {
      return { type: 'refused', code: 'ledger/no-quorum', retryAfterMs: STARTING_MS };
    }
    const timeoutMs = CLIENT_TIMES.outcomeMs;
    const { connectLedger } = await connecting();
    // Links that are made now would be dialled for ever.
    if (this.#isClosed) return { type: 'refused', code: 'server/stopping', retryAfterMs: 0 };
    this.#client ??= connectLedger(network, { replicas: undefined, signer: null, timeoutMs });
    return this.#client.serve(question);
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.close();
  }

  async #found(): Promise<Network | null> {
    const { loadNetwork } = await connecting();
    this.#network ??= await loadNetwork(this.#file).catch(() => null);
    return this.#network;
  }
}
