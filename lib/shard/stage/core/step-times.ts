/** What a run has to do: its rows, and the positions that all of them attend to together. */
export interface StepLoad {
  readonly rows: number;
  readonly attended: number;
}

/**
 * Milliseconds of a shard's runs: `base + perRow × rows + perAttended × attended`, none negative.
 * Learned from every run by normalised least mean squares (Widrow and Hoff, 1960): half of each
 * error is put right, by the least change that does it. So what the present runs tell nothing
 * about, such as the price of a row while all runs have one, stays as it was learned.
 */
export interface StepTimes {
  base: number;
  perRow: number;
  perAttended: number;
}

/** Nothing learned: every run is predicted to take no time. */
export const emptyStepTimes = (): StepTimes => ({ base: 0, perRow: 0, perAttended: 0 });

export const isEmpty = ({ base, perRow, perAttended }: StepTimes): boolean =>
  base === 0 && perRow === 0 && perAttended === 0;

const LEARNED_SHARE = 0.5;
/**
 * Longer than this against the prediction is mostly the machine at other work. A true change still
 * comes through, in a few runs.
 */
const SURPRISE_MAX = 3;
/**
 * By how much an unknown cost is put down to the run itself, against its rows: too high a price of
 * a row makes a chunk too short at first, too low a price makes others wait.
 */
const BASE_WEIGHT = 0.25;
/** Attending to so many positions weighs like a row: less than it costs, for rows are what is cut. */
const ATTENDED_UNIT = 2048;

export function predictMs(times: StepTimes, { rows, attended }: StepLoad): number {
  return times.base + times.perRow * rows + times.perAttended * attended;
}

/** A run of `load` took `ms`. Changes `times` in place. */
export function learnStep(times: StepTimes, load: StepLoad, ms: number): void {
  const predicted = predictMs(times, load);
  const seen = predicted > 0 ? Math.min(ms, predicted * SURPRISE_MAX) : ms;
  const share = predicted > 0 ? LEARNED_SHARE : 1;
  const attended = load.attended / ATTENDED_UNIT;
  const power = BASE_WEIGHT + load.rows ** 2 + attended ** 2;
  const gain = (share * (seen - predicted)) / power;
  times.base = Math.max(0, times.base + BASE_WEIGHT * gain);
  times.perRow = Math.max(0, times.perRow + load.rows * gain);
  times.perAttended = Math.max(0, times.perAttended + (attended * gain) / ATTENDED_UNIT);
}

/** A surprise fades by half in 23 runs; more than a quarter is told by no prediction, nor cured by shorter runs. */
const SURPRISE_KEPT = 0.97;
const SURPRISE_SHARE_MAX = 0.25;

/**
 * By which share of what was predicted runs are longer of late, at the most: other work on the machine
 * comes in bursts. `before` is what it was.
 */
export function surpriseAfter(before: number, predicted: number, ms: number): number {
  const share = predicted > 0 ? ms / predicted - 1 : 0;
  return Math.max(before * SURPRISE_KEPT, Math.min(share, SURPRISE_SHARE_MAX));
}

/** A run's part of one session: `rows` positions from `first` on, each attends to all up to itself. */
export const loadOf = (first: number, rows: number): StepLoad => ({
  rows,
  attended: rows * first + (rows * (rows + 1)) / 2,
});

export const addLoads = (a: StepLoad, b: StepLoad): StepLoad => ({
  rows: a.rows + b.rows,
  attended: a.attended + b.attended,
});
