import type { InstantMs } from './units.ts';

/** `burst` at once, `perSecond` in the long run, of whatever is counted. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A burst of one second. */
export const rateOf = (perSecond: number): Rate => ({ perSecond, burst: perSecond });

/** What is left of a rate, a token bucket. It reads no clock: instants come with each call. */
export class TokenBucket {
  #rate: Rate;
  #left: number;
  #at: InstantMs;

  constructor(rate: Rate, now: InstantMs) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#at = now;
  }

  /** Another rate from now on; what is left or owed stays. */
  become(rate: Rate): void {
    this.#rate = rate;
  }

  isFull(now: InstantMs): boolean {
    return this.#leftAt(now) >= this.#rate.burst;
  }

  /** In how many milliseconds `amount` is there; 0: it is. Of nothing: until no debt is left. */
  waitMs(amount: number, now: InstantMs): number {
    const missing = amount - this.#leftAt(now);
    return missing <= 0 ? 0 : (missing * 1000) / this.#rate.perSecond;
  }

  /** Takes `amount` where it is there. @returns 0, or in how many milliseconds it is. */
  take(amount: number, now: InstantMs): number {
    const waitMs = this.waitMs(amount, now);
    if (waitMs === 0) this.spend(amount, now);
    return waitMs;
  }

  /** Takes `amount` whether it is there or not: what is not is owed. */
  spend(amount: number, now: InstantMs): void {
    this.#left = this.#leftAt(now) - amount;
    this.#at = now;
  }

  #leftAt(now: InstantMs): number {
    const { perSecond, burst } = this.#rate;
    return Math.min(burst, this.#left + ((now - this.#at) * perSecond) / 1000);
  }
}

/** Names that are remembered; with more at once whoever is new waits. */
const NAMES_MAX = 16_384;

/** A bucket for each name (a key, a link, an address), in bounded memory. */
export class NamedBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** As a bucket's; whole milliseconds. Who is new waits while too many others are remembered. */
  waitMs(name: string, amount: number, now: InstantMs): number {
    const known = this.#buckets.get(name);
    if (!known && !this.#hasRoom(now)) {
      return Math.ceil(((amount || this.#rate.burst) * 1000) / this.#rate.perSecond);
    }
    return known ? Math.ceil(known.waitMs(amount, now)) : 0;
  }

  /** As a bucket's; whole milliseconds. */
  take(name: string, amount: number, now: InstantMs): number {
    const waitMs = this.waitMs(name, amount, now);
    if (waitMs === 0) this.spend(name, amount, now);
    return waitMs;
  }

  /** As a bucket's: of a name that was let in. */
  spend(name: string, amount: number, now: InstantMs): void {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(this.#rate, now);
    this.#buckets.set(name, bucket);
    bucket.spend(amount, now);
  }

  /** Whose bucket is full again is as if it had never come. */
  #hasRoom(now: InstantMs): boolean {
    if (this.#buckets.size < NAMES_MAX) return true;
    for (const [name, bucket] of this.#buckets) {
      if (bucket.isFull(now)) this.#buckets.delete(name);
    }
    return this.#buckets.size < NAMES_MAX;
  }
}
