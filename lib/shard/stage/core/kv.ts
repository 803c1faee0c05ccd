import type { KvOp, KvOrder } from '../types.ts';
import { emptyRows, truncateRows } from './kept-rows.ts';
import type { Seat, Turn } from './state.ts';

/** True while the run in flight appends to this seat's KV. */
export const isInFlight = (turn: Turn, seat: Seat): boolean =>
  turn.core.running?.shard === seat.shard &&
  turn.core.running.segments.some(
    (segment) => segment.session === seat.session.id && segment.place === seat.slot,
  );

/** KV orders of a seat whose run is in flight wait for its end, in order. */
export function orderKv(turn: Turn, seat: Seat, op: KvOp): void {
  const { shard, session, slot } = seat;
  const order: KvOrder = { type: 'kv', shard, session: session.id, place: slot, ...op };
  if (turn.core.running && isInFlight(turn, seat)) turn.core.running.after.push(order);
  else turn.out.push(order);
}

export function openKv(turn: Turn, seat: Seat): void {
  seat.kvOpen = true;
  orderKv(turn, seat, { op: 'open', length: seat.kvLength });
}

export function closeKv(turn: Turn, seat: Seat): void {
  if (seat.kvOpen) orderKv(turn, seat, { op: 'close', length: 0 });
  seat.kvOpen = false;
}

/**
 * Cuts KV and kept rows to `length` (S3). A run in flight for the seat belongs to an older epoch
 * or is void: what it appends is cut off by the same order once it is done (S5). So is what was found
 * of a prefix that was asked for.
 */
export function cutKv(turn: Turn, seat: Seat, length: number): void {
  const shorter = length < seat.kvLength;
  seat.kvLength = Math.min(seat.kvLength, length);
  seat.namedTo = Math.min(seat.namedTo, seat.kvLength);
  truncateRows(seat.kept, seat.kvLength);
  const mayBeLonger = shorter || seat.sharing || isInFlight(turn, seat);
  if (seat.kvOpen && mayBeLonger) orderKv(turn, seat, { op: 'truncate', length: seat.kvLength });
  seat.sharing = false;
}

/** The seat starts from nothing: another holder's state, or pages given back (S5, S11). */
export function voidKv(turn: Turn, seat: Seat): void {
  cutKv(turn, seat, 0);
  seat.kept = emptyRows(0, turn.core.options.keptBlockRows);
}
