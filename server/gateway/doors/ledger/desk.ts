import type { Question } from '#lib/ledger/client/wire/requests.ts';
import type { Reply } from '#lib/ledger/client/wire/answers.ts';

/** The ledger as this server reaches it. */
export interface LedgerAccess {
  /** The genesis file's bytes. @throws FaultError `ledger/no-quorum` where it is not made yet */
  genesis(): Promise<Uint8Array>;
  /** Shown by enough replicas. @throws FaultError `ledger/conflicting-certificates` */
  serve(question: Question): Promise<Reply>;
}

interface DeskLimits {
  readonly questionsOpenMax: number;
  readonly questionsPerAddressMax: number;
}

const BUSY: Reply = { type: 'refused', code: 'ledger/busy', retryAfterMs: 1_000 };

/** Replicas answer this server's questions within one allowance: no stranger may use it up. */
export class LedgerDesk {
  readonly #access: LedgerAccess;
  readonly #limits: DeskLimits;
  readonly #byAddress = new Map<string, number>();
  #open = 0;

  constructor(access: LedgerAccess, limits: DeskLimits) {
    this.#access = access;
    this.#limits = limits;
  }

  genesis(): Promise<Uint8Array> {
    return this.#access.genesis();
  }

  async ask(question: Question, address: string): Promise<Reply> {
    const { questionsOpenMax, questionsPerAddressMax } = this.#limits;
    const own = this.#byAddress.get(address) ?? 0;
    if (this.#open >= questionsOpenMax || own >= questionsPerAddressMax) return BUSY;
    this.#count(address, own + 1);
    try {
      return await this.#access.serve(question);
    } finally {
      this.#count(address, (this.#byAddress.get(address) ?? 1) - 1);
    }
  }

  #count(address: string, own: number): void {
    this.#open += own - (this.#byAddress.get(address) ?? 0);
    if (own > 0) this.#byAddress.set(address, own);
    else this.#byAddress.delete(address);
  }
}
