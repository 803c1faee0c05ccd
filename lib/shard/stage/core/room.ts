import { must } from '#lib/kernel/assert.ts';
import { keptBytes, dropOldest } from './kept-rows.ts';
import { voidKv } from './kv.ts';
import {
  allSeats,
  emptyFlow,
  fault,
  report,
  tellOwner,
  type Seat,
  type Session,
  type Turn,
} from './state.ts';

const pagesFor = (turn: Turn, seat: Seat, positions: number): number => {
  const limits = turn.core.shards.get(seat.shard)?.limits;
  return limits ? Math.ceil(positions / limits.pagePositions) : 0;
};

/** Pages of a shard that no seat holds, with `planned` rows counted as held already. */
function pagesFree(turn: Turn, shard: string, planned: ReadonlyMap<Seat, number>): number {
  let free = turn.core.shards.get(shard)?.limits?.pagesMax ?? 0;
  for (const seat of allSeats(turn.core)) {
    if (seat.shard !== shard) continue;
    free -= pagesFor(turn, seat, seat.kvLength + (planned.get(seat) ?? 0));
  }
  return free;
}

/**
 * Makes pages for the rows planned. Short of pages the youngest session gives its own back (S11);
 * it is taken out of `planned`, and may be the one that asked.
 */
export function makeRoom(turn: Turn, shard: string, planned: Map<Seat, number>): void {
  while (pagesFree(turn, shard, planned) < 0) {
    const young = youngest(turn, (seat) => {
      return seat.shard === shard && seat.kvLength + (planned.get(seat) ?? 0) > 0;
    });
    for (const seat of young.seats) planned.delete(seat);
    giveBack(turn, young);
  }
}

function youngest(turn: Turn, holds: (seat: Seat) => boolean): Session {
  let found: Session | null = null;
  for (const seat of allSeats(turn.core)) {
    if (holds(seat) && (!found || seat.session.order > found.order)) found = seat.session;
  }
  return must(found, 'what is short is held by someone');
}

/** The session gives back pages and kept rows, and waits; the owner is told once (S11). */
export function giveBack(turn: Turn, session: Session): void {
  const seat = must(session.seats[0], 'an open session has a seat');
  fault(turn, seat, 'no-room');
  session.room = 'wanted';
  for (const each of session.seats) {
    voidKv(turn, each);
    each.flow = { ...emptyFlow(session.prepare.resumeAt), faulted: true };
  }
}

/** Tells the owners of sessions that gave way, oldest first, once there are pages for them. */
export function tellRoom(turn: Turn): void {
  for (const session of turn.core.sessions.values()) {
    if (session.room !== 'wanted' || !hasRoom(turn, session)) continue;
    session.room = 'told';
    const { epoch } = session.prepare;
    const { place } = must(session.seats[0], 'an open session has a seat');
    tellOwner(turn, { type: 'room', session: session.id, epoch, place });
  }
}

function hasRoom(turn: Turn, session: Session): boolean {
  const { resumeAt, chunkRows } = session.prepare;
  const isKeptFull = keptTotal(turn) > turn.core.options.keptBytesMax / 2;
  return (
    !isKeptFull &&
    session.seats.every((seat) => {
      const free = pagesFree(turn, seat.shard, new Map());
      return free >= pagesFor(turn, seat, resumeAt + chunkRows);
    })
  );
}

export function keptTotal(turn: Turn): number {
  let bytes = 0;
  for (const seat of allSeats(turn.core)) bytes += keptBytes(seat.kept);
  return bytes;
}

/**
 * Past the budget kept rows already sent are dropped, most first; this raises kept-from, told at
 * once while a fill runs. Where all that is left is still to be sent, the youngest gives way (S11).
 */
export function trimKept(turn: Turn): void {
  while (keptTotal(turn) > turn.core.options.keptBytesMax) {
    const seat = mostDroppable(turn);
    if (seat && dropOldest(seat.kept, seat.flow.sendFrom)) {
      if (seat.flow.reported && seat.kvLength <= seat.session.prepare.resumeAt) report(turn, seat);
    } else {
      giveBack(
        turn,
        youngest(turn, (each) => keptBytes(each.kept) > 0),
      );
    }
  }
}

/** Below L, and not told yet what the next place lacks: all that it has may be wanted (S5). */
const isUnfilled = ({ flow, kvLength, session }: Seat): boolean =>
  !flow.filled && kvLength <= session.prepare.resumeAt;

function mostDroppable(turn: Turn): Seat | null {
  let best: Seat | null = null;
  let most = 0;
  for (const seat of allSeats(turn.core)) {
    if (isUnfilled(seat)) continue;
    const rows = Math.min(seat.flow.sendFrom, seat.kept.to) - seat.kept.base;
    if (rows < seat.kept.blockRows || rows * seat.kept.width <= most) continue;
    best = seat;
    most = rows * seat.kept.width;
  }
  return best;
}
