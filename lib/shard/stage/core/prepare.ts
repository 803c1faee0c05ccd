import type { ManifestHash } from '#lib/kernel/ids.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { shardKey } from '../types.ts';
import { endSession } from './ending.ts';
import { onFrame } from './frames.ts';
import { wantGrammar } from './grammars.ts';
import { takeHeld } from './held.ts';
import { emptyRows } from './kept-rows.ts';
import { closeKv, cutKv } from './kv.ts';
import { seatReady } from './shards.ts';
import { emptyFlow, newShard, type Seat, type Session, type Turn } from './state.ts';

/**
 * A new epoch (S5): state of another `since` is dropped, KV and kept rows are cut to L, queues,
 * un-acked tokens, windows and seq start anew, and every seat with its shard reports.
 */
export function onPrepare(turn: Turn, prepare: Prepare): void {
  const { core } = turn;
  const fence = core.fences.get(prepare.session);
  const known = core.sessions.get(prepare.session);
  if (fence && prepare.epoch <= fence.epoch) return;
  if (known && prepare.epoch <= known.prepare.epoch) return;
  if (!known && core.sessions.size >= WIRE.sessionsPerNodeMax) return;
  const session = known ?? openSession(turn, prepare);
  reseat(turn, session, prepare);
  if (session.seats.length === 0) {
    endSession(turn, session);
    return;
  }
  for (const seat of session.seats) ensureShard(turn, seat);
  wantGrammar(turn, session);
  for (const { from, frame } of takeHeld(turn.core, session)) onFrame(turn, from, frame);
}

function openSession(turn: Turn, prepare: Prepare): Session {
  const { core, now } = turn;
  core.opened += 1;
  const session: Session = {
    id: prepare.session,
    order: core.opened,
    prepare,
    heardAt: now,
    seats: [],
    room: 'kept',
    grammar: 'none',
  };
  core.sessions.set(prepare.session, session);
  return session;
}

/** Moves the node's seats to the new route: by range and `since`, whatever their place was (S6). */
function reseat(turn: Turn, session: Session, prepare: Prepare): void {
  const before = session.seats;
  session.prepare = prepare;
  session.heardAt = turn.now;
  session.room = 'kept';
  session.seats = [];
  const slots = new Set(before.map((seat) => seat.slot));
  for (const [place, held] of prepare.route.entries()) {
    if (held.node !== turn.core.self) continue;
    const shard = shardKey(prepare.manifest as ManifestHash, held.range);
    const old = before.find((seat) => seat.shard === shard && seat.since === held.since);
    const flow = emptyFlow(prepare.resumeAt);
    const { range, since } = held;
    if (old) {
      const seat = { ...old, place, flow };
      session.seats.push(seat);
      cutKv(turn, seat, prepare.resumeAt);
    } else {
      const slot = freeSlot(slots, place);
      const kept = emptyRows(0, turn.core.options.keptBlockRows);
      const fresh = {
        session,
        place,
        range,
        shard,
        since,
        slot,
        kvOpen: false,
        sharing: false,
        namedTo: 0,
        kvLength: 0,
        kept,
        flow,
      };
      session.seats.push(fresh);
    }
  }
  const stays = new Set(session.seats.map((seat) => seat.slot));
  for (const seat of before) if (!stays.has(seat.slot)) closeKv(turn, seat);
}

/** The place's own number where no other seat of the session has it. */
function freeSlot(slots: Set<number>, place: number): number {
  let slot = place;
  while (slots.has(slot)) slot += WIRE.placesMax;
  slots.add(slot);
  return slot;
}

/** Reports where the shard is loaded; asks for it once where it is not. */
function ensureShard(turn: Turn, seat: Seat): void {
  const { core } = turn;
  const shard = core.shards.get(seat.shard);
  if (shard?.limits) {
    seatReady(turn, seat);
    return;
  }
  if (shard) return;
  core.shards.set(seat.shard, newShard(null, 0));
  const { manifest, numerics } = seat.session.prepare;
  turn.out.push({
    type: 'load',
    shard: seat.shard,
    manifest: manifest as ManifestHash,
    range: seat.range,
    numerics,
  });
}
