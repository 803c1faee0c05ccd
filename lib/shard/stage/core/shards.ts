import { invariant } from '#lib/kernel/assert.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { StageInput } from '../types.ts';
import { emptyRows } from './kept-rows.ts';
import { openKv } from './kv.ts';
import { askShared, nameWhole } from './prefix.ts';
import { allSeats, emptyFlow, fault, newShard, report, type Seat, type Turn } from './state.ts';

type Ready = Extract<StageInput, { type: 'shard-ready' }>;

function* seatsOf(turn: Turn, shard: string): Generator<Seat> {
  for (const seat of allSeats(turn.core)) if (seat.shard === shard) yield seat;
}

export function onShardReady(turn: Turn, ready: Ready): void {
  const { pagePositions, pagesMax, rowsMax, rowWidth, vocab } = ready;
  invariant(rowsMax > RING.draftsMax, 'a run takes a step of drafts as a whole');
  const limits = { pagePositions, pagesMax, rowsMax, rowWidth, vocab };
  turn.core.shards.set(ready.shard, newShard(limits, turn.core.runs));
  for (const seat of seatsOf(turn, ready.shard)) if (!seat.kvOpen) seatReady(turn, seat);
}

/** The shard is there: its KV is opened and the seat reports, its prefix hit included (S5). */
export function seatReady(turn: Turn, seat: Seat): void {
  if (!seat.kvOpen) openKv(turn, seat);
  if (askShared(turn, seat)) return;
  nameWhole(turn, seat);
  report(turn, seat);
}

/** The next `prepare` asks for the shard again; the owner decides whether there is one (S4). */
export function onShardFailed(turn: Turn, shard: string): void {
  turn.core.shards.delete(shard);
  for (const seat of seatsOf(turn, shard)) fault(turn, seat, 'load');
}

/** Its KV went with it: every seat is empty again, and the run in flight is void. */
export function onShardGone(turn: Turn, shard: string): void {
  turn.core.shards.delete(shard);
  if (turn.core.running?.shard === shard) turn.core.running.after.length = 0;
  for (const seat of seatsOf(turn, shard)) {
    fault(turn, seat, 'engine');
    seat.kvOpen = false;
    seat.sharing = false;
    seat.namedTo = 0;
    seat.kvLength = 0;
    seat.kept = emptyRows(0, turn.core.options.keptBlockRows);
    seat.flow = { ...emptyFlow(seat.session.prepare.resumeAt), faulted: true };
  }
}
