import { MIB } from '#lib/kernel/units.ts';

/** Bounds of the inference worker's shell. */
export const STAGE_HOST = {
  /** The core's deadlines are ≥ 1 s: four ticks a second are exact enough and cost nothing. */
  tickEveryMs: 250,
  /** Pongs go out every 500 ms and pages draw a few times a second: no fresher than this. */
  snapshotEveryMs: 200,
  /** The light of the page stays on between two steps of one answer. */
  computingHoldMs: 400,
  /** Tokens/s is the mean over this many whole seconds. */
  rateWindowSeconds: 4,
  /** A run that takes longer hangs: chunks are cut for 250 ms, a GPU that compiles takes seconds. */
  runMsMax: 30_000,
  warmUpSeed: 1,
  /** Step times kept for the median. */
  stepSamplesMax: 64,
  /** Grammars kept of a model, for as many schemas in use at once: 1 MB each, 11 MB at worst. */
  grammarsMax: 24,
  /** A session of a few thousand positions always finds pages, however little is lent. */
  kvBytesMin: 64 * MIB,
  /** A WASM memory ends at 4 GiB; weights and scratch need their share. */
  kvBytesMax: 2048 * MIB,
} as const;
