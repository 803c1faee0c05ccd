import { must } from '#lib/kernel/assert.ts';
import { later } from '#lib/kernel/units.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { NO_HISTORY, looksAtAnswer, type TokenHistory } from '#lib/webgpu/sampling/params.ts';
import type { Want } from '#lib/webgpu/stage.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';
import type { RunSegment } from '../types.ts';
import { draftsAfter } from './drafts.ts';
import { refuseUnfit } from './frames.ts';
import { grammarOf, lacksGrammar } from './grammars.ts';
import { STAGE } from './limits.ts';
import { planRun, type Plan, type Work } from './plan-run.ts';
import { makeRoom } from './room.ts';
import { allSeats, isDecoding, isLast, type Seat, type Turn } from './state.ts';

/**
 * Starts the next run where none is in flight: of the shard that waited longest, decode rows of all
 * its sessions first, then prefill up to one chunk, who waited longest first.
 */
export function schedule(turn: Turn): void {
  const { core } = turn;
  if (core.running || core.restsSince !== null || core.paused) return;
  refuseUnfit(turn);
  for (;;) {
    const shard = longestWaiting(turn);
    if (shard === null) return;
    const plan = planRun(turn, shard, workOfShard(turn, shard));
    makeRoom(turn, shard, plan.rows);
    // Else everyone planned gave way: another shard may have work.
    if (plan.rows.size > 0) {
      startRun(turn, shard, plan);
      return;
    }
  }
}

/** What came while a run was at work is here. Rows to decode have waited for that, too (S12). */
export function onTurn(turn: Turn): void {
  const { core, now } = turn;
  const since = core.restsSince;
  core.restsSince = null;
  if (since === null) return;
  for (const seat of allSeats(core)) {
    const waits = isDecoding(seat) && workOf(turn, seat) > 0;
    if (waits) seat.flow.prefillMs += Math.min(now - since, STAGE.restMsMax);
  }
}

function longestWaiting(turn: Turn): string | null {
  let found: string | null = null;
  let least = Infinity;
  for (const seat of allSeats(turn.core)) {
    const shard = turn.core.shards.get(seat.shard);
    if (!shard || shard.lastRun >= least || workOf(turn, seat) === 0) continue;
    found = seat.shard;
    least = shard.lastRun;
  }
  return found;
}

function workOfShard(turn: Turn, shard: string): Work[] {
  const work: Work[] = [];
  for (const seat of allSeats(turn.core)) {
    const rows = seat.shard === shard ? workOf(turn, seat) : 0;
    if (rows > 0) work.push({ seat, rows });
  }
  return work;
}

/** How many rows the seat has ready and may compute (S7, S12). */
function workOf(turn: Turn, seat: Seat): number {
  const { flow, session, kvLength } = seat;
  if (!turn.core.shards.get(seat.shard)?.limits || session.room !== 'kept') return 0;
  if (seat.sharing) return 0;
  const { resumeAt, chunkRows } = session.prepare;
  if (kvLength < resumeAt && isAhead(seat)) return 0;
  if (isLast(seat) && kvLength >= resumeAt && !maySample(seat)) return 0;
  if (seat.place > 0) {
    const frame = flow.inbox[0];
    return frame ? frame.firstPosition + frame.rows - kvLength : 0;
  }
  if (kvLength < resumeAt) return flow.filled ? Math.min(chunkRows, resumeAt - kvLength) : 0;
  return flow.next?.position === kvLength ? flow.next.ids.length : 0;
}

/** The reader keeps up (S7), and what its answer has to fit is there (S8). */
const maySample = ({ flow, session }: Seat): boolean =>
  flow.unacked.length < RING.unackedTokensMax && !lacksGrammar(session);

/** Two chunks computed and not yet sent: the next place, or the way to it, is slower (S12). */
function isAhead(seat: Seat): boolean {
  if (isLast(seat)) return false;
  const unsent = seat.kvLength - seat.flow.sendFrom;
  return unsent >= RING.unackedChunksMax * seat.session.prepare.chunkRows;
}

function startRun(turn: Turn, shard: string, plan: Plan): void {
  const { core } = turn;
  const planned = plan.rows;
  core.runs += 1;
  must(core.shards.get(shard), 'a shard that runs is loaded').lastRun = core.runs;
  const seats = [...planned.keys()];
  for (const seat of seats) seat.flow.lastRun = core.runs;
  const segments = [...planned].map(([seat, rows]) => segmentOf(seat, rows));
  const flows = seats.map((seat) => seat.flow);
  for (const seat of seats) if (isDecoding(seat)) seat.flow.stepAt = seat.kvLength;
  const prefill = { ms: plan.prefillMs, until: later(turn.now, plan.ms) };
  const { load, times } = plan;
  core.running = { run: core.runs, shard, segments, flows, after: [], prefill, load, times };
  for (const seat of allSeats(core)) {
    const waits = isDecoding(seat) && !planned.has(seat) && workOf(turn, seat) > 0;
    if (waits) seat.flow.prefillMs += plan.prefillMs;
  }
  turn.out.push({ type: 'run', run: core.runs, shard, segments });
}

function segmentOf(seat: Seat, rows: number): RunSegment {
  const { session, slot, kvLength } = seat;
  const input = seat.place === 0 ? idsOf(seat, rows) : rowsOf(seat, rows);
  const want = wantOf(seat, rows);
  return {
    session: session.id,
    place: slot,
    epoch: session.prepare.epoch,
    firstPosition: kvLength,
    rows,
    tokens: isDecoding(seat) ? kvLength - seat.flow.stepAt : 0,
    ...input,
    want,
    grammar: want.kind === 'sample' || want.kind === 'sample-rows' ? grammarOf(session) : null,
  };
}

function idsOf(seat: Seat, rows: number): Pick<RunSegment, 'ids' | 'hidden'> {
  const { prepare } = seat.session;
  const ids =
    seat.kvLength < prepare.resumeAt
      ? prepare.ids.slice(seat.kvLength, seat.kvLength + rows)
      : must(seat.flow.next, 'decode rows have ids').ids;
  return { ids: Int32Array.from(ids), hidden: null };
}

function rowsOf(seat: Seat, rows: number): Pick<RunSegment, 'ids' | 'hidden'> {
  const frame = must(seat.flow.inbox[0], 'rows come in a frame');
  const skip = seat.kvLength - frame.firstPosition;
  const hidden = frame.data.subarray(skip * frame.width, (skip + rows) * frame.width);
  return { ids: null, hidden };
}

/** Every row is kept for the next place; the last place samples at positions ≥ L only (S5). */
function wantOf(seat: Seat, rows: number): Want {
  const { resumeAt, promptLength, sampling: params } = seat.session.prepare;
  if (!isLast(seat)) return { kind: 'hidden' };
  if (seat.kvLength < resumeAt) return { kind: 'none' };
  const drafts = draftsAfter(seat, seat.kvLength);
  const points = Array.from({ length: rows }, (_, i): SamplePoint => {
    const index = seat.kvLength - promptLength + 1 + i;
    return { index, history: historyOf(seat, drafts.slice(0, i)) };
  });
  const [first] = points;
  if (rows === 1 && first) return { kind: 'sample', params, ...first };
  return { kind: 'sample-rows', params, points };
}

/** What was said before a row, if the drafts before it stand; if not, its id counts for nothing. */
function historyOf({ session, flow, kvLength }: Seat, drafts: readonly number[]): TokenHistory {
  const { history, resumeAt } = session.prepare;
  if (!looksAtAnswer(session.prepare)) return NO_HISTORY;
  const sampled = flow.sampledIds.slice(0, kvLength - resumeAt);
  return { ...history, answerIds: [...history.answerIds, ...sampled, ...drafts] };
}
