import { TokenBucket, type Rate } from '#lib/kernel/token-bucket.ts';
import { instantMs } from '#lib/kernel/units.ts';

/** What one connection may cost for nothing: `burstMs` at once, `share` of a processor in the long run. */
export interface AllowanceRate {
  readonly burstMs: number;
  readonly share: number;
  /** Who was in debt has so much again before it is read: frames that go together cost less than each by itself. */
  readonly togetherMs: number;
}

const bucketRate = ({ burstMs, share }: AllowanceRate): Rate => ({
  burst: burstMs,
  perSecond: share * 1_000,
});

/**
 * A bucket of processor time. Frames that bring nothing (a signature that does not hold, a refusal) are
 * paid from it; who is in debt is not read until it is paid, and so feels it at the other end. What is
 * of use costs nothing here: turns share the rest.
 */
export class Allowance {
  #rate: AllowanceRate;
  readonly #bucket: TokenBucket;

  constructor(rate: AllowanceRate, now: number) {
    this.#rate = rate;
    this.#bucket = new TokenBucket(bucketRate(rate), instantMs(now));
  }

  /** Another rate from now on; what is left or owed stays. */
  become(rate: AllowanceRate): void {
    this.#rate = rate;
    this.#bucket.become(bucketRate(rate));
  }

  /** @returns for how many ms the connection is to rest, for it is in debt; 0: it is in none. */
  spend(costMs: number, now: number): number {
    const at = instantMs(now);
    this.#bucket.spend(costMs, at);
    const debtMs = this.#bucket.waitMs(0, at);
    return debtMs === 0 ? 0 : debtMs + this.#rate.togetherMs / this.#rate.share;
  }
}
