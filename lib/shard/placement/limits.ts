import { invariant } from '#lib/kernel/assert.ts';
import { MIB } from '#lib/kernel/units.ts';

/** Bounds and constants of placement; the figures behind them are in the README. */
export const PLACEMENT = {
  /** Exact cuts try every set of nodes: 2^8 sets are searched in milliseconds. */
  exactNodesMax: 8,
  /** The exact cut looks at layers² × 2^nodes × nodes spans. */
  exactLayersMax: 128,
  /** Copies of one range that load by themselves; nodes beyond are spares and download nothing. */
  copiesMax: 16,
  /** Loaded and standby ranges of one node that routes look at. */
  rangesPerNodeMax: 8,
  /** Repacked weights are at most this much larger than stored ones. */
  weightFactor: 1.25,
  /** Engine, tables and scratch beside weights and KV. */
  engineBytes: 48 * MIB,
  /** A holder must have KV for so many positions, whatever else it keeps. */
  kvPositionsMin: 4_096,
  /** A cut within this factor of the best one is as good, if it downloads less. */
  balanceSlack: 1.05,
  /** One link hop where its round trip was not measured yet (1.1 ms between tabs). */
  hopMsDefault: 1.2,
  /** What the server adds to a hop that it carries. */
  relayHopMs: 20,
  /** Rows travel narrower where a link takes this much longer for them than a place does... */
  wireSlowerMax: 1.5,
  /** ... and a reader waits this much less for the first token. */
  wireSavedMsMin: 300,
  /** Rounds that a slower route is held to, where an answer may have more tokens (README, prefix). */
  answerTokensTypical: 128,
  /** A prefill chunk keeps a stage busy for no longer than this (V1). */
  chunkMsMax: 250,
  chunkRowsStep: 8,
  chunkRowsMax: 256,
  /** Fetching and loading a range, predicted for deadlines; real ones were 5× better. */
  loadBaseMs: 400,
  cacheBytesPerMs: 60_000,
  networkBytesPerMs: 4_000,
  /** Faster than any device: a profile of zeros must not divide by zero. */
  layerMsMin: 1e-4,
} as const;

/** When a route's rounds show that its nodes are slower than they measured themselves (P3). */
export const PACE = {
  /** Rounds of one answer and route that are looked at together. */
  roundsMin: 8,
  /** This many times the predicted round: less is noise, or work beside it. */
  slowMin: 3,
  /** Below this a reader notices nothing, and timers alone may be late by it. */
  excessMsMin: 20,
  /** So long a route that went well speaks for its nodes against others that went badly. */
  recentMs: 10_000,
  /** Then a slow node is tried again: an answer in five minutes is a fair price to find out. */
  forgetMs: 300_000,
} as const;

/** A re-plan for speed (P3): this much better, for this long, this seldom. */
export const REPLAN = { gainMin: 0.2, steadyMs: 10_000, everyMs: 30_000 } as const;

invariant(PLACEMENT.chunkRowsMax % PLACEMENT.chunkRowsStep === 0, 'chunk rows come in whole steps');
