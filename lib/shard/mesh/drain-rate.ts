import { later, type InstantMs } from '#lib/kernel/units.ts';
import { MESH } from './limits.ts';

/**
 * How fast a channel's link is, of the times in which it had something on the way all along: a link that
 * is quicker than its users says nothing of its speed. The reader gives no credit while it computes, so
 * the fastest of the latest portions counts, not their middle. Never changed in place.
 */
export interface DrainRate {
  /** Since when it never ran dry, and how much had arrived then; null while it is dry. */
  readonly since: { readonly at: InstantMs; readonly bytes: number } | null;
  /** Bytes a millisecond, the latest last. */
  readonly samples: readonly number[];
  readonly sampledAt: InstantMs;
}

export const NO_RATE: DrainRate = { since: null, samples: [], sampledAt: 0 as InstantMs };

/** Looked at after a send and after credit: so many bytes were sent, so many are on the way. */
export function lookAtDrain(
  rate: DrainRate,
  { sent, waiting }: { readonly sent: number; readonly waiting: number },
  now: InstantMs,
): DrainRate {
  // Less may be read already: it is credited in portions.
  if (waiting < MESH.creditEveryBytes) return rate.since ? { ...rate, since: null } : rate;
  const here = { at: now, bytes: sent - waiting };
  if (!rate.since) return { ...rate, since: here };
  const bytes = here.bytes - rate.since.bytes;
  if (bytes < MESH.rateBytesMin) return rate;
  const perMs = bytes / Math.max(1, now - rate.since.at);
  const samples = [...rate.samples, perMs].slice(-MESH.rateSamplesMax);
  return { since: here, samples, sampledAt: now };
}

/** Bytes a millisecond, the most of the latest; null where too few were seen, or too long ago. */
export function drainRate({ samples, sampledAt }: DrainRate, now: InstantMs): number | null {
  if (samples.length < MESH.rateSamplesMin || now > later(sampledAt, MESH.rateKeptMs)) return null;
  return Math.max(...samples);
}
