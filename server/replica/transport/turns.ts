/**
 * Connections that have something to be looked at. Each that waits has its turn before any has another,
 * and all together have a slice of each turn of the event loop: what others say comes in between.
 */
export class Turns {
  readonly #sliceMs: number;
  readonly #waiting: (() => boolean)[] = [];
  #isPlanned = false;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** @param takeOne handles one thing. True: there is more. */
  add(takeOne: () => boolean): void {
    this.#waiting.push(takeOne);
    this.#plan();
  }

  #plan(): void {
    if (this.#isPlanned || this.#waiting.length === 0) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      try {
        this.#turn();
      } finally {
        this.#plan();
      }
    });
  }

  /** In turn until the slice is over: what many frames bring leaves, and is logged, together. */
  #turn(): void {
    const end = performance.now() + this.#sliceMs;
    do {
      const takeOne = this.#waiting.shift();
      if (takeOne === undefined) return;
      if (takeOne()) this.#waiting.push(takeOne);
    } while (performance.now() < end);
  }
}
