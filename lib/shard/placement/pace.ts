import type { InstantMs } from '#lib/kernel/units.ts';
import { PACE } from './limits.ts';

/**
 * What the rounds of real answers teach about nodes (P3). A node's own measurements are its own
 * word; a round's time is the owner's. It says nothing about which of the route's places is slow,
 * so all of them are held to it – until another route over the same node goes faster.
 */
export interface Pace {
  /** Measured step times over predicted ones, ≥ 1: the least that a recent route showed. */
  readonly factor: number;
  /** When that was seen. */
  readonly at: InstantMs;
}

/** Nobody has seen it at work. */
export const UNSEEN: Pace = { factor: 1, at: -Infinity as InstantMs };

/** Milliseconds of one decode round: as it was, and as predicted for the route's steps and hops. */
export interface RoundTimes {
  readonly measuredMs: number;
  /** As the nodes measured themselves. */
  readonly stepsMs: number;
  /** The same with the paces that are known already. */
  readonly pacedStepsMs: number;
  readonly hopsMs: number;
}

/**
 * The paces of a route's holders after a round of it. Where those known to be slow explain it,
 * nothing is learnt of the others.
 */
export function learnPaces(paces: readonly Pace[], round: RoundTimes, now: InstantMs): Pace[] {
  const slowness = slownessOf(round, round.stepsMs);
  const isExplained = slownessOf(round, round.pacedStepsMs) === 1 && slowness > 1;
  return paces.map((pace) =>
    isExplained && pace.factor === 1 ? pace : learnPace(pace, slowness, now),
  );
}

/** By what predicted steps must be multiplied to give the measured round; 1 within the noise. */
function slownessOf({ measuredMs, hopsMs }: RoundTimes, stepsMs: number): number {
  const predictedMs = stepsMs + hopsMs;
  const isSlow =
    measuredMs >= PACE.slowMin * predictedMs && measuredMs - predictedMs >= PACE.excessMsMin;
  return isSlow && stepsMs > 0 ? (measuredMs - hopsMs) / stepsMs : 1;
}

/** A route over the node went so: it is no slower than the fastest of its recent routes. */
function learnPace(pace: Pace, slowness: number, now: InstantMs): Pace {
  const isRecent = now - pace.at < PACE.recentMs;
  return isRecent && pace.factor < slowness ? pace : { factor: slowness, at: now };
}

/** What is known of a node's pace now: who was slow a while ago is given another try. */
export const forgetPace = (pace: Pace, now: InstantMs): Pace =>
  pace.factor > 1 && now - pace.at >= PACE.forgetMs ? UNSEEN : pace;

/** The middle one of some rounds: a single late token says nothing. */
export function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
