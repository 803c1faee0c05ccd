import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#lib/kernel/assert.ts';
import { Endpoints, acknowledged } from '#tests/support/ledger/acknowledged.ts';

/** Connections to each replica: one may have 256 transactions wait. */
const CONNECTIONS = 4;

/** Clients of all four replicas, each transaction to all, done by two equal answers. */
export class Crowd {
  readonly #all: readonly Endpoints[];
  #next = 0;

  constructor(ports: readonly number[]) {
    this.#all = Array.from({ length: CONNECTIONS }, () => new Endpoints(ports));
  }

  /** Until each has a connection to each. */
  async ready(): Promise<void> {
    const isReady = (): boolean =>
      this.#all.every((each) => each.all.every((port) => each.at(port) !== null));
    while (!isReady()) await sleep(20);
  }

  /** @returns ms to the second equal answer. */
  async send(transaction: Uint8Array): Promise<number> {
    this.#next += 1;
    const endpoints = must(this.#all[this.#next % this.#all.length], 'endpoints');
    const { code, latencyMs } = await acknowledged(endpoints, transaction);
    if (code !== 0) throw new Error(`a transaction was refused: code ${code}`);
    return latencyMs;
  }

  /** So many under way at a time, until `next` gives none. */
  async keepBusy(outstanding: number, next: () => Uint8Array | null): Promise<number> {
    let sent = 0;
    const one = async (): Promise<void> => {
      for (let transaction = next(); transaction !== null; transaction = next()) {
        sent += 1;
        await this.send(transaction);
      }
    };
    await Promise.all(Array.from({ length: outstanding }, one));
    return sent;
  }

  /** So many a second, whether they are answered or not. @returns each one's ms. */
  async offer(perSecond: number, ms: number, next: () => Uint8Array): Promise<number[]> {
    const startedAt = performance.now();
    const all: Promise<number>[] = [];
    while (performance.now() - startedAt < ms) {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      while (all.length < due) all.push(this.send(next()));
      await sleep(2);
    }
    return Promise.all(all);
  }

  close(): void {
    for (const each of this.#all) each.close();
  }
}
