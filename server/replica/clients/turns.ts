import { REPLICA_LIMITS, REPLICA_TIMES } from '../limits.ts';

/**
 * Clients' requests, one after the other, a slice of time for each turn of the event loop: what replicas
 * say comes in between, however many clients ask.
 */
export class Turns<Item extends { readonly bytes: Uint8Array }> {
  readonly #work: (item: Item) => void;
  #items: Item[] = [];
  #bytes = 0;
  #isPlanned = false;

  constructor(work: (item: Item) => void) {
    this.#work = work;
  }

  get length(): number {
    return this.#items.length;
  }

  /** False: too much waits. */
  add(item: Item): boolean {
    const bytes = this.#bytes + item.bytes.length;
    if (this.#items.length >= REPLICA_LIMITS.clientFramesMax) return false;
    if (bytes > REPLICA_LIMITS.clientFrameBytesMax) return false;
    this.#items.push(item);
    this.#bytes = bytes;
    this.#plan();
    return true;
  }

  #plan(): void {
    if (this.#isPlanned || this.#items.length === 0) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#turn();
      this.#plan();
    });
  }

  #turn(): void {
    const end = performance.now() + REPLICA_TIMES.clientSliceMs;
    let done = 0;
    while (done < this.#items.length && performance.now() < end) {
      const item = this.#items[done];
      done += 1;
      if (item === undefined) break;
      this.#bytes -= item.bytes.length;
      this.#work(item);
    }
    this.#items.splice(0, done);
  }
}
