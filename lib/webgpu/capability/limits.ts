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
  /** Memory that is taken to be there: less holds no layer of any model. */
  memoryBytesMin: 64 * MIB,
  /** A step predicted to take longer is measured with fewer rows. */
  stepMsMax: 400,
} as const;

/** The choice between processor and GPU. */
export const ENGINE_CHOICE = {
  /** A usual answer: chunks of 64 rows of prompt, tokens one by one. */
  chunks: 2,
  tokens: 128,
  /** A GPU that failed so often since the start is not tried again by this node. */
  failuresMax: 3,
  /** A failure is forgotten after this. */
  forgiveMs: 3_600_000,
  /** Repacked weights of what is stored, as placement counts with them (W7). */
  weightFactor: 1.25,
  /** One row through one layer that takes a GPU longer than this and than four of the processor's. */
  hopelessMsMin: 100,
  /** Layers of the model in which a GPU's arithmetic is checked, and rows: more than one tile. */
  checkLayers: 2,
  checkRows: 18,
} as const;

/** How many threads a CPU stage may have. */
export const THREADS = {
  /** More than this share too little work each to pay for their messages. */
  max: 16,
  /** Twice the processor must bring at least this much speed: else it is somebody else's to use. */
  gainMin: 1.15,
  /** Of the cores but one, where the volunteer has said nothing. */
  powerUsual: 0.5,
} as const;
