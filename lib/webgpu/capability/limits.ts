import { MIB } from '#lib/kernel/units.ts';

/** Bounds of a measurement: about a second in all, whatever the model and the device. */
export const MEASURE = {
  /** Weights of the layers measured: more than the caches of most devices hold. */
  weightsMin: 16e6,
  layersMax: 8,
  vocabMin: 1024,
  contextMax: 128,
  kvBytesMax: 64 * MIB,
  /** Time for each of the six timings (three row counts, without and with the head). */
  eachMs: 110,
  /** A step predicted to take longer is measured with fewer rows. */
  stepMsMax: 400,
} as const;
