import type { StageClass } from './stage.ts';

/**
 * What tells a sound device from another, of one row's output: bits for a CPU stage, numbers for a
 * GPU, whose bits are its shaders'.
 */
export interface KnownAnswer {
  /** SHA-256 of the fp32 output bytes, 64 hex digits. */
  readonly digest: string;
  /** The largest absolute value of the output. */
  readonly largest: number;
  /** `KNOWN_SAMPLE_VALUES` values spread evenly over the output, its ends among them. */
  readonly sample: readonly number[];
}

/** Values of a sample: wrong arithmetic spoils whole rows, so a few in a hundred show it. */
export const KNOWN_SAMPLE_VALUES = 64;

/**
 * How far a GPU's values may lie from ours, of the largest. In 32 bits ten times what its own batches
 * may; 16 bits keep eleven of a value, and errors add up over layers.
 */
export const KNOWN_TOLERANCE = { tolerance: 1e-3, half: 2e-2 } as const;

/**
 * Whether an answer is that of a sound device: equal bits (`bits`: CPU stages), or every value
 * within `KNOWN_TOLERANCE` of the largest (GPU stages).
 */
export function answersAgree(
  precision: StageClass,
  actual: KnownAnswer,
  expected: KnownAnswer,
): boolean {
  if (precision === 'bits') return actual.digest === expected.digest;
  const most = KNOWN_TOLERANCE[precision] * expected.largest;
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= most;
  return (
    near(actual.largest, expected.largest) &&
    actual.sample.length === expected.sample.length &&
    actual.sample.every((value, i) => near(value, expected.sample[i] ?? NaN))
  );
}
