import type { InstantMs } from '#lib/kernel/units.ts';

/** Bytes of answers: `burst` at once, `perSecond` in the long run. */
interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Addresses that are remembered; with more at once whoever is new waits. */
const NAMES_MAX = 16_384;

interface Drawn {
  /** Above zero: not made up for yet. */
  readonly bytes: number;
  readonly at: InstantMs;
}

/**
 * What addresses were answered with lately. An answer's length is known when it has been made, so who is
 * above the burst pays afterwards: it is not asked for again until time has made up for it.
 */
export class AnswerRates {
  readonly #rate: Rate;
  readonly #drawn = new Map<string, Drawn>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** @returns 0, or in how many ms to come again. */
  waitMs(name: string, now: InstantMs): number {
    const { burst, perSecond } = this.#rate;
    if (!this.#drawn.has(name) && this.#isFull(now)) return Math.ceil((burst * 1000) / perSecond);
    const over = this.#bytesOf(name, now) - burst;
    return over <= 0 ? 0 : Math.ceil((over * 1000) / perSecond);
  }

  add(name: string, bytes: number, now: InstantMs): void {
    this.#drawn.set(name, { bytes: this.#bytesOf(name, now) + bytes, at: now });
  }

  #bytesOf(name: string, now: InstantMs): number {
    const { bytes, at } = this.#drawn.get(name) ?? { bytes: 0, at: now };
    return Math.max(0, bytes - ((now - at) * this.#rate.perSecond) / 1000);
  }

  /** Who has made up for all is as if it had never come. */
  #isFull(now: InstantMs): boolean {
    if (this.#drawn.size < NAMES_MAX) return false;
    for (const name of [...this.#drawn.keys()]) {
      if (this.#bytesOf(name, now) === 0) this.#drawn.delete(name);
    }
    return this.#drawn.size >= NAMES_MAX;
  }
}
