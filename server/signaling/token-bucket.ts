import type { InstantMs } from '#lib/kernel/units.ts';

/**
 * A rate with a burst of one second; pure and synchronous, so that messages keep their order.
 * The level may go below zero by one take: what is taken then waits until it is back at zero.
 */
export interface TokenBucket {
  readonly level: number;
  readonly at: InstantMs;
}

export const fullBucket = (perSecond: number, now: InstantMs): TokenBucket => ({
  level: perSecond,
  at: now,
});

/** Takes `amount`; `waitMs` > 0 where the rate asks for a pause before it may be used. */
export function takeFrom(
  bucket: TokenBucket,
  amount: number,
  options: { readonly perSecond: number; readonly now: InstantMs },
): { readonly bucket: TokenBucket; readonly waitMs: number } {
  const { perSecond, now } = options;
  const refilled = bucket.level + ((now - bucket.at) * perSecond) / 1000;
  const level = Math.min(perSecond, refilled) - amount;
  return { bucket: { level, at: now }, waitMs: level >= 0 ? 0 : (-level * 1000) / perSecond };
}
