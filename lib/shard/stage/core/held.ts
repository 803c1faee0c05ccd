import { later } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { RING, TIMES } from '#lib/shard/wire/limits.ts';
import type { FaultWhy } from '#lib/shard/wire/session-messages.ts';
import { onFrame } from './frames.ts';
import { STAGE } from './limits.ts';
import { tellOwner, type HeldFrame, type Session, type Turn } from './state.ts';

/** A frame of an epoch or session not open here yet waits for its `prepare` a moment (S2). */
export function holdFrame(turn: Turn, from: NodeId, frame: Frame): void {
  const { core, now } = turn;
  const isSame = (held: HeldFrame): boolean =>
    held.frame.session === frame.session && held.frame.place === frame.place;
  const full = core.held.filter(isSame).length >= RING.heldFramesMax;
  if (full || core.held.length >= STAGE.heldFramesMax) {
    drop(turn, frame, 'held-overflow');
    return;
  }
  core.held.push({ from, frame, until: later(now, TIMES.heldFrameMs) });
}

/** Its `prepare` has come: takes what waited for it, in the order of arrival. */
export function takeHeld(turn: Turn, session: Session): void {
  const { core } = turn;
  const isDue = ({ frame }: HeldFrame): boolean =>
    frame.session === session.id && frame.epoch <= session.prepare.epoch;
  const due = core.held.filter(isDue);
  if (due.length === 0) return;
  core.held = core.held.filter((held) => !isDue(held));
  for (const { from, frame } of due) onFrame(turn, from, frame);
}

export function expireHeld(turn: Turn): void {
  const { core, now } = turn;
  if (!core.held.some((held) => held.until <= now)) return;
  const expired = core.held.filter((held) => held.until <= now);
  core.held = core.held.filter((held) => held.until > now);
  for (const { frame } of expired) drop(turn, frame, 'held-expired');
}

function drop(turn: Turn, frame: Frame, why: FaultWhy): void {
  const { session, epoch, place } = frame;
  turn.core.framesDropped += 1;
  if (!mayTell(turn)) return;
  tellOwner(turn, { type: 'fault', session, epoch, place, why });
}

/**
 * Anybody may send frames of sessions that nobody knows: what we say about them stays far below what
 * a server hears of one node (M5). A session that misses its fault has its deadline (V1).
 */
function mayTell({ core, now }: Turn): boolean {
  const { since, faults } = core.heldTold;
  const fresh = now >= later(since, 1_000);
  core.heldTold = fresh ? { since: now, faults: 1 } : { since, faults: faults + 1 };
  return core.heldTold.faults <= STAGE.heldFaultsPerSecondMax;
}
