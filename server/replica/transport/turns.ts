/**
 * Connections that have something to be looked at. Each that waits has its turn before any has another,
 * and all together have a slice of each turn of the event loop: what others say comes in between.
 */
export class Turns {
  readonly #sliceMs: number;
  readonly #mayGoOn: () => boolean;
  readonly #waiting: (() => boolean)[] = [];
  #isPlanned = false;

  /** @param mayGoOn whether, in what is left of a slice, connections have another turn. */
  constructor(sliceMs: number, mayGoOn: () => boolean = () => true) {
    this.#sliceMs = sliceMs;
    this.#mayGoOn = mayGoOn;
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

  /** What many frames bring leaves, and is logged, together; and a turn of the event loop costs as much as a frame. */
  #turn(): void {
    const end = performance.now() + this.#sliceMs;
    let left = this.#waiting.length;
    do {
      const takeOne = this.#waiting.shift();
      if (takeOne === undefined) return;
      left -= 1;
      if (takeOne()) this.#waiting.push(takeOne);
    } while ((left > 0 || this.#mayGoOn()) && performance.now() < end);
  }
}
