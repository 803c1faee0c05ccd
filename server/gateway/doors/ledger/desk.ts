import type { Clock } from '#lib/kernel/ports.ts';
import { NamedBuckets, TokenBucket } from '#lib/kernel/token-bucket.ts';
import { CLIENT_TIMES } from '#lib/ledger/client/limits.ts';
import { encodeAnswer, type Reply } from '#lib/ledger/client/wire/answers.ts';
import type { ClientRequest, Question } from '#lib/ledger/client/wire/requests.ts';
import { addressKey } from '#server/signaling/origin.ts';

/** The ledger as this server reaches it. */
export interface LedgerAccess {
  /** The genesis file's bytes. @throws FaultError `request/not-found` where it is not made yet */
  genesis(): Promise<Uint8Array>;
  /** Shown by enough replicas. @throws FaultError `ledger/conflicting-certificates` */
  serve(question: Question): Promise<Reply>;
}

interface DeskLimits {
  readonly questionsOpenMax: number;
  readonly questionsPerAddressMax: number;
  readonly blocksOpenMax: number;
  readonly ledgerBytesPerSecond: number;
  readonly ledgerBytesBurst: number;
  readonly ledgerAddressBytesPerSecond: number;
  readonly ledgerAddressBytesBurst: number;
}

const BUSY_MS = 1_000;

/**
 * Replicas answer this server's questions within one allowance, and what they say is verified by the
 * thread that serves everything: no stranger may use either up.
 */
export class LedgerDesk {
  readonly #access: LedgerAccess;
  readonly #limits: DeskLimits;
  readonly #clock: Clock;
  readonly #byAddress = new Map<string, number>();
  /**
   * Bytes of answers. How long one is shows when it has been made, so it is paid for afterwards: who owes
   * is not asked for until time has made up for it.
   */
  readonly #allBytes: TokenBucket;
  readonly #addressBytes: NamedBuckets;
  #open = 0;
  #blocksOpen = 0;

  constructor(access: LedgerAccess, limits: DeskLimits, clock: Clock) {
    this.#access = access;
    this.#limits = limits;
    this.#clock = clock;
    const all = { perSecond: limits.ledgerBytesPerSecond, burst: limits.ledgerBytesBurst };
    this.#allBytes = new TokenBucket(all, clock.now());
    this.#addressBytes = new NamedBuckets({
      perSecond: limits.ledgerAddressBytesPerSecond,
      burst: limits.ledgerAddressBytesBurst,
    });
  }

  genesis(): Promise<Uint8Array> {
    return this.#access.genesis();
  }

  /** @param from the asker's address. @returns the answer's frame. */
  async ask({ tag, ...question }: ClientRequest, from: string): Promise<Uint8Array> {
    const address = addressKey(from);
    const retryAfterMs = this.#busyMs(question, address);
    if (retryAfterMs > 0) {
      return encodeAnswer({ tag, type: 'refused', code: 'ledger/busy', retryAfterMs });
    }
    const isBlocks = question.type === 'blocks';
    this.#count(address, (this.#byAddress.get(address) ?? 0) + 1);
    if (isBlocks) this.#blocksOpen += 1;
    try {
      const answer = encodeAnswer({ ...(await this.#access.serve(question)), tag });
      const now = this.#clock.now();
      this.#allBytes.spend(answer.length, now);
      this.#addressBytes.spend(address, answer.length, now);
      return answer;
    } finally {
      if (isBlocks) this.#blocksOpen -= 1;
      this.#count(address, (this.#byAddress.get(address) ?? 1) - 1);
    }
  }

  /** 0: it is asked for now; else when to come again. */
  #busyMs({ type }: Question, address: string): number {
    const { questionsOpenMax, questionsPerAddressMax, blocksOpenMax } = this.#limits;
    const own = this.#byAddress.get(address) ?? 0;
    if (this.#open >= questionsOpenMax || own >= questionsPerAddressMax) return BUSY_MS;
    if (type === 'blocks' && this.#blocksOpen >= blocksOpenMax) return BUSY_MS;
    const now = this.#clock.now();
    const allMs = Math.ceil(this.#allBytes.waitMs(0, now));
    const ms = Math.max(allMs, this.#addressBytes.waitMs(address, 0, now));
    return Math.min(ms, CLIENT_TIMES.retryAfterMsMax);
  }

  #count(address: string, own: number): void {
    this.#open += own - (this.#byAddress.get(address) ?? 0);
    if (own > 0) this.#byAddress.set(address, own);
    else this.#byAddress.delete(address);
  }
}
