/** What one connection may cost for nothing: `burstMs` at once, `share` of a processor in the long run. */
export interface AllowanceRate {
  readonly burstMs: number;
  readonly share: number;
  /** Who was in debt has so much again before it is read: frames that go together cost less than each by itself. */
  readonly togetherMs: number;
}

/**
 * A bucket of processor time. Frames that bring nothing (a signature that does not hold, a refusal) are
 * paid from it; who is in debt is not read until it is paid, and so feels it at the other end. What is
 * of use costs nothing here: turns share the rest.
 */
export class Allowance {
  #rate: AllowanceRate;
  #leftMs: number;
  #at: number;

  constructor(rate: AllowanceRate, now: number) {
    this.#rate = rate;
    this.#leftMs = rate.burstMs;
    this.#at = now;
  }

  /** Another rate from now on; what is left or owed stays. */
  become(rate: AllowanceRate): void {
    this.#rate = rate;
  }

  /** @returns for how many ms the connection is to rest, for it is in debt; 0: it is in none. */
  spend(costMs: number, now: number): number {
    const { burstMs, share, togetherMs } = this.#rate;
    this.#leftMs = Math.min(burstMs, this.#leftMs + (now - this.#at) * share) - costMs;
    this.#at = now;
    return this.#leftMs >= 0 ? 0 : (togetherMs - this.#leftMs) / share;
  }
}
