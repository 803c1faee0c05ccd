import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import type { ChainBlock } from '#lib/ledger/client/wire/answers.ts';
import { refuse, type Said } from '../ledger-view.ts';

export interface SubscriptionPorts {
  readonly blocks: (from: number, most: number) => Promise<ChainBlock[]>;
  /** The head's sequence. */
  readonly executed: () => number;
  /** Resolves when the client has read enough for more. */
  readonly say: (said: Said) => Promise<void>;
}

/** Every block from one on, in order, as fast as the client reads and no faster. */
export class Subscription {
  readonly #ports: SubscriptionPorts;
  #next: number;
  #isRunning = false;
  #isWoken = false;
  #hasEnded = false;

  constructor(from: number, ports: SubscriptionPorts) {
    // Sequence 0 is the genesis: everybody has it.
    this.#next = Math.max(1, from);
    this.#ports = ports;
  }

  /** There may be more. */
  wake(): void {
    this.#isWoken = true;
    if (!this.#isRunning) void this.#run();
  }

  end(): void {
    this.#hasEnded = true;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#isWoken && !this.#hasEnded) {
        this.#isWoken = false;
        const blocks = await this.#ports.blocks(this.#next, CLIENT_LIMITS.blocksMax);
        if (blocks.length === 0 && this.#next <= this.#ports.executed()) {
          // It came by transfer over this block: others have it.
          this.#hasEnded = true;
          await this.#ports.say(refuse('request/not-found'));
        }
        if (blocks.length === 0) continue;
        this.#next += blocks.length;
        this.#isWoken = true;
        await this.#ports.say({ type: 'blocks', blocks });
      }
    } catch {
      this.#hasEnded = true;
      await this.#ports.say(refuse('request/not-found'));
    } finally {
      this.#isRunning = false;
    }
  }
}
