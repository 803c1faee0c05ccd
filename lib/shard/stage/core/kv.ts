import type { StageOutput } from '../types.ts';
import { emptyRows, truncateRows } from './kept-rows.ts';
import type { Seat, Turn } from './state.ts';

type KvOp = Extract<StageOutput, { type: 'kv' }>['op'];

/** True while the run in flight appends to this seat's KV. */
export const isInFlight = (turn: Turn, seat: Seat): boolean =>
  turn.core.running?.shard === seat.shard &&
  turn.core.running.segments.some(
    (segment) => segment.session === seat.session.id && segment.place === seat.slot,
  );

/** KV orders of a seat whose run is in flight wait for its end, in order. */
function orderKv(turn: Turn, seat: Seat, op: KvOp): void {
  const order = {
    type: 'kv',
    shard: seat.shard,
    session: seat.session.id,
    place: seat.slot,
    op,
    length: op === 'close' ? 0 : seat.kvLength,
  } as const;
  if (turn.core.running && isInFlight(turn, seat)) turn.core.running.after.push(order);
  else turn.out.push(order);
}

export function openKv(turn: Turn, seat: Seat): void {
  seat.kvOpen = true;
  orderKv(turn, seat, 'open');
}

export function closeKv(turn: Turn, seat: Seat): void {
  if (seat.kvOpen) orderKv(turn, seat, 'close');
  seat.kvOpen = false;
}

/**
 * Cuts KV and kept rows to `length` (S3). A run in flight for the seat belongs to an older epoch
 * or is void: what it appends is cut off by the same order once it is done (S5).
 */
export function cutKv(turn: Turn, seat: Seat, length: number): void {
  const shorter = length < seat.kvLength;
  seat.kvLength = Math.min(seat.kvLength, length);
  truncateRows(seat.kept, seat.kvLength);
  if (seat.kvOpen && (shorter || isInFlight(turn, seat))) orderKv(turn, seat, 'truncate');
}

/** The seat starts from nothing: another holder's state, or pages given back (S5, S11). */
export function voidKv(turn: Turn, seat: Seat): void {
  cutKv(turn, seat, 0);
  seat.kept = emptyRows(0, turn.core.options.keptBlockRows);
}
