import { must } from '#lib/kernel/assert.ts';
import { STAGE } from './limits.ts';
import { allSeats, isDecoding, type Seat, type Shard, type Turn } from './state.ts';
import { addLoads, loadOf, predictMs, type StepLoad } from './step-times.ts';

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
  const decodeMax = Math.min(rowsMax, decodeShare(turn, shardKey));
  const decode = inTurn.filter(({ seat }) => isDecoding(seat)).slice(0, decodeMax);
  const rows = new Map(decode.map(({ seat }) => [seat, 1]));
  const pure = decode.map(({ seat }) => loadOf(seat.kvLength, 1)).reduce(addLoads, NO_LOAD);
  const fills = inTurn.filter(({ seat }) => !isDecoding(seat));
  const whole = addFills(turn, shard, { rows, pure, fills, rowsLeft: rowsMax - rows.size });
  const pureMs = pure.rows > 0 ? predictMs(shard.times, pure) : 0;
  const ms = predictMs(shard.times, whole);
  return { rows, ms, prefillMs: whole.rows > pure.rows ? ms - pureMs : 0 };
}

interface Filling {
  readonly rows: Map<Seat, number>;
  readonly pure: StepLoad;
  readonly fills: readonly Work[];
  readonly rowsLeft: number;
}

/** Adds one chunk of prefill at most to `rows`; returns the load of them all. */
function addFills(turn: Turn, shard: Shard, { rows, pure, fills, rowsLeft }: Filling): StepLoad {
  const [first] = fills;
  if (!first) return pure;
  const limitMs = limitOf(turn, shard, pure);
  let left = Math.min(rowsLeft, first.seat.session.prepare.chunkRows);
  let load = pure;
  for (const fill of fills) {
    const count = mostRows(shard, load, { ...fill, rows: Math.min(fill.rows, left), limitMs });
    if (count === 0) break;
    rows.set(fill.seat, count);
    left -= count;
    load = addLoads(load, loadOf(fill.seat.kvLength, count));
  }
  const isShort = load.rows === pure.rows && left > 0;
  const mustGoOn = isShort && (pure.rows === 0 || isOverdue(shard, pure, first));
  shard.prefillWaits = isShort && !mustGoOn;
  if (!mustGoOn) return load;
  rows.set(first.seat, 1);
  return addLoads(load, loadOf(first.seat.kvLength, 1));
}

/**
 * How long a run may take as predicted. Where a session of this node is being decoded, prefill may
 * keep its next row waiting, in the run before and in its own together, for what the rule allows;
 * also while its row is elsewhere in the ring, for it may come just after the run has begun.
 */
function limitOf(turn: Turn, shard: Shard, pure: StepLoad): number {
  let waited = -1;
  for (const seat of allSeats(turn.core)) {
    if (isDecoding(seat) && !seat.flow.faulted) waited = Math.max(waited, seat.flow.prefillMs);
  }
  if (waited < 0) return STAGE.chunkMsMax;
  const pureMs = pure.rows > 0 ? predictMs(shard.times, pure) : 0;
  return pureMs + allowedMs(pureMs) - waited;
}

/**
 * What prefill may add to a decode step of `pureMs`: a token then waits for max(1.5 × the step, the
 * step + 40 ms) at most, with a share in hand for what no prediction knows.
 */
function allowedMs(pureMs: number): number {
  const { prefillStepShare, prefillMsMin, prefillAim } = STAGE;
  return prefillAim * Math.max(prefillStepShare * pureMs, prefillMsMin);
}

/**
 * One row that fits beside no decode step of this size would wait for ever: it goes with every
 * second one. What other prefill has taken of a wait is over with the next run.
 */
function isOverdue(shard: Shard, pure: StepLoad, { seat }: Work): boolean {
  const pureMs = predictMs(shard.times, pure);
  const withOne = predictMs(shard.times, addLoads(pure, loadOf(seat.kvLength, 1)));
  return shard.prefillWaits && withOne > pureMs + allowedMs(pureMs);
}

/** Most rows of a prefill, up to `rows`, with which a run stays within `limitMs`. */
function mostRows(
  shard: Shard,
  load: StepLoad,
  { seat, rows, limitMs }: Work & { readonly limitMs: number },
): number {
  let fits = 0;
  let tooMany = rows + 1;
  while (tooMany - fits > 1) {
    const count = (fits + tooMany) >> 1;
    const ms = predictMs(shard.times, addLoads(load, loadOf(seat.kvLength, count)));
    if (ms <= limitMs) fits = count;
    else tooMany = count;
  }
  return fits;
}

/**
 * Decode rows of one run at most: as many as fall to each place when all sessions are spread over
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
