import type { InstantMs } from '#lib/kernel/units.ts';

/** How often a name (a key, a link, an address) may come: `burst` at once, `perSecond` in the long run. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Names that are remembered; with more at once whoever is new waits. */
const NAMES_MAX = 16_384;

/**
 * Buckets of tokens by name. A port asks it before anything that costs; no batch is ever judged by it.
 * Time comes in with each call.
 */
export class Rates {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, { tokens: number; at: InstantMs }>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes one token. @returns 0, or in how many ms to come again. */
  take(name: string, now: InstantMs): number {
    const { perSecond, burst } = this.#rate;
    const known = this.#buckets.get(name);
    if (known === undefined && this.#buckets.size >= NAMES_MAX) this.#forgetFull(now);
    if (known === undefined && this.#buckets.size >= NAMES_MAX) return Math.ceil(1000 / perSecond);
    const tokens = known === undefined ? burst : this.#tokensOf(known, now);
    const isEnough = tokens >= 1;
    this.#buckets.set(name, { tokens: isEnough ? tokens - 1 : tokens, at: now });
    return isEnough ? 0 : Math.ceil(((1 - tokens) * 1000) / perSecond);
  }

  #tokensOf(
    { tokens, at }: { readonly tokens: number; readonly at: InstantMs },
    now: InstantMs,
  ): number {
    const { perSecond, burst } = this.#rate;
    return Math.min(burst, tokens + ((now - at) * perSecond) / 1000);
  }

  /** Whose bucket is full again is as if it had never come. */
  #forgetFull(now: InstantMs): void {
    for (const [name, bucket] of this.#buckets) {
      if (this.#tokensOf(bucket, now) >= this.#rate.burst) this.#buckets.delete(name);
    }
  }
}
