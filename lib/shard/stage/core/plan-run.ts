import { must } from '#lib/kernel/assert.ts';
import { STAGE } from './limits.ts';
import { allSeats, isDecoding, type Seat, type Shard, type Turn } from './state.ts';
import {
  addLoads,
  isEmpty,
  loadOf,
  predictMs,
  type StepLoad,
  type StepTimes,
} from './step-times.ts';

/** Rows a seat could compute now; below L they are prefill. */
export interface Work {
  readonly seat: Seat;
  readonly rows: number;
}

/** The rows of a run, and what is predicted of it. */
export interface Plan {
  readonly rows: Map<Seat, number>;
  /** Milliseconds of the run, and how many of them its prefill adds. */
  readonly ms: number;
  readonly prefillMs: number;
  readonly load: StepLoad;
  /** The prices that say so. */
  readonly times: StepTimes;
}

const NO_LOAD: StepLoad = { rows: 0, attended: 0 };

/**
 * The next run of a shard: decode rows of all its sessions, then as much prefill as nobody's next
 * token minds (S12), who waited longest first.
 */
export function planRun(turn: Turn, shardKey: string, work: readonly Work[]): Plan {
  const shard = must(turn.core.shards.get(shardKey), 'a shard with work is known');
  const rowsMax = must(shard.limits, 'a shard with work is loaded').rowsMax;
  const inTurn = work.toSorted((a, b) => a.seat.flow.lastRun - b.seat.flow.lastRun);
  const decoding = inTurn.filter(({ seat }) => isDecoding(seat));
  const decode = fitting(decoding.slice(0, decodeShare(turn, shardKey)), rowsMax);
  const pure = decode
    .map(({ seat, rows }) => loadOf(seat.kvLength, rows))
    .reduce(addLoads, NO_LOAD);
  const rows = new Map(decode.map(({ seat, rows: count }) => [seat, count]));
  const waited = longestWait(turn);
  const times = pricesOf(shard, waited);
  const pureMs = pure.rows > 0 ? predictMs(times, pure) : 0;
  const fills = inTurn.filter(({ seat }) => !isDecoding(seat));
  const beside = { pure, pureMs, times, waited, rowsLeft: rowsMax - pure.rows };
  for (const [seat, count] of planFills(shard, { ...beside, fills })) rows.set(seat, count);
  const load = [...rows].map(([seat, count]) => loadOf(seat.kvLength, count)).reduce(addLoads);
  const ms = predictMs(times, load);
  return { rows, ms, prefillMs: load.rows > pure.rows ? ms - pureMs : 0, load, times };
}

/**
 * By what a run is predicted: few rows cost more each than many, so what prefill alone has taught would
 * make a chunk beside an answer too long. It is better than nothing before the first.
 */
function pricesOf({ times, aloneTimes }: Shard, waited: number | null): StepTimes {
  if (waited === null) return aloneTimes;
  if (isEmpty(times)) Object.assign(times, aloneTimes);
  return times;
}

/** The first steps that fit a run together, each as a whole: its rows are sampled together. */
function fitting(work: readonly Work[], rowsMax: number): Work[] {
  let rows = 0;
  return work.filter((each) => {
    if (rows + each.rows > rowsMax) return false;
    rows += each.rows;
    return true;
  });
}

interface Filling {
  readonly fills: readonly Work[];
  /** The decode rows beside it, and how long they alone take. */
  readonly pure: StepLoad;
  readonly pureMs: number;
  readonly times: StepTimes;
  /** Null where this node decodes for nobody. */
  readonly waited: number | null;
  readonly rowsLeft: number;
}

/** Rows of prefill, one chunk together at most. */
function planFills(shard: Shard, filling: Filling): [Seat, number][] {
  const { fills, pure } = filling;
  const [first] = fills;
  const planned: [Seat, number][] = [];
  let left = Math.min(filling.rowsLeft, first?.seat.session.prepare.chunkRows ?? 0);
  if (!first || left === 0) return planned;
  const limitMs = limitOf(shard, filling);
  let load = pure;
  for (const { seat, rows } of fills) {
    const count = mostRows(filling.times, load, { seat, rows: Math.min(rows, left), limitMs });
    if (count === 0) break;
    planned.push([seat, count]);
    left -= count;
    load = addLoads(load, loadOf(seat.kvLength, count));
  }
  const mustGoOn =
    planned.length === 0 &&
    (pure.rows === 0 || (shard.prefillWaits && !fitsEver(shard, filling, first)));
  if (mustGoOn) planned.push([first.seat, 1]);
  shard.prefillWaits = planned.length === 0;
  return planned;
}

/**
 * The longest that prefill has kept a session's next row waiting so far, also one that is elsewhere in the
 * ring: it may come just after the run has begun. Null where nobody is decoded here.
 */
function longestWait(turn: Turn): number | null {
  let waited: number | null = null;
  for (const seat of allSeats(turn.core)) {
    if (isDecoding(seat) && !seat.flow.faulted) waited = Math.max(waited ?? 0, seat.flow.prefillMs);
  }
  return waited;
}

/**
 * How long a run may take as predicted. Where a session of this node is being decoded, prefill may
 * keep its next row waiting, in the run before and in its own together, for its share of what the rule
 * allows, and would still if it took longer by as much as runs did of late.
 */
function limitOf({ surprise }: Shard, { pureMs, waited }: Filling): number {
  if (waited === null) return STAGE.chunkMsMax;
  return longestOf(surprise, pureMs) - waited;
}

/** As predicted, with a share in hand for what no prediction knows. */
const longestOf = (surprise: number, pureMs: number): number =>
  (pureMs + STAGE.prefillAim * ruleMs(pureMs)) / (1 + surprise);

/** What prefill may add to a decode step of `pureMs`: a token waits for max(1.5 × the step, the step + 40 ms). */
const ruleMs = (pureMs: number): number =>
  Math.max(STAGE.prefillStepShare * pureMs, STAGE.prefillMsMin);

/**
 * Whether a row fits beside this decode step once no other prefill has kept it waiting. One that
 * does not would wait for ever: it goes with every second step.
 */
function fitsEver({ surprise }: Shard, { pure, pureMs, times }: Filling, { seat }: Work): boolean {
  const withOne = predictMs(times, addLoads(pure, loadOf(seat.kvLength, 1)));
  return withOne <= longestOf(surprise, pureMs);
}

/** Most rows of a prefill, up to `rows`, with which a run stays within `limitMs`. */
function mostRows(
  times: StepTimes,
  load: StepLoad,
  { seat, rows, limitMs }: Work & { readonly limitMs: number },
): number {
  let fits = 0;
  let tooMany = rows + 1;
  while (tooMany - fits > 1) {
    const count = (fits + tooMany) >> 1;
    const ms = predictMs(times, addLoads(load, loadOf(seat.kvLength, count)));
    if (ms <= limitMs) fits = count;
    else tooMany = count;
  }
  return fits;
}

/**
 * Sessions decoded in one run at most: as many as fall to each place when all sessions are spread over
 * the ring. More at once would leave the other places without work while this one computes: groups
 * of sessions that met would never part again.
 */
function decodeShare(turn: Turn, shard: string): number {
  let rounds = 0;
  for (const seat of allSeats(turn.core)) {
    if (seat.shard === shard && isDecoding(seat)) rounds += 1 / seat.session.prepare.route.length;
  }
  return Math.ceil(rounds);
}
