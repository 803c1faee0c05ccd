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
  /** Rows of the steps that warm an engine up: the shapes of prefill and of decode. */
  warmUpRows: [8, 1],
  warmUpSeed: 1,
  /** Step times kept for the median. */
  stepSamplesMax: 64,
  /** A session of a few thousand positions always finds pages, however little is lent. */
  kvBytesMin: 64 * MIB,
  /** A WASM memory ends at 4 GiB; weights and scratch need their share. */
  kvBytesMax: 2048 * MIB,
} as const;
