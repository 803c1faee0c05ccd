import { later } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { RING, TIMES } from '#lib/shard/wire/limits.ts';
import type { FaultWhy } from '#lib/shard/wire/session-messages.ts';
import { STAGE } from './limits.ts';
import { tellOwner, type HeldFrame, type Session, type StageCore, type Turn } from './state.ts';

/**
 * A frame of an epoch or session not open here yet waits for its `prepare` a moment (S2). One peer
 * fills its own share and no more; where many peers have filled all there is, whoever has the most
 * gives way to one that has less.
 */
export function holdFrame(turn: Turn, from: NodeId, frame: Frame): void {
  const { core, now } = turn;
  const isSame = (held: HeldFrame): boolean =>
    held.from === from && held.frame.session === frame.session && held.frame.place === frame.place;
  const own = heldOf(core, from);
  const isFull =
    core.held.filter(isSame).length >= RING.heldFramesMax || own >= STAGE.heldFramesPerPeerMax;
  if (isFull || !makePlace(turn, own)) {
    drop(turn, frame, 'held-overflow');
    return;
  }
  core.held.push({ from, frame, until: later(now, TIMES.heldFrameMs) });
}

/** @returns whether one more frame of a peer that has `own` may wait. */
function makePlace(turn: Turn, own: number): boolean {
  const { core } = turn;
  if (core.held.length < STAGE.heldFramesMax) return true;
  const shares = core.held.map((held) => heldOf(core, held.from));
  const most = Math.max(...shares);
  if (most <= own + 1) return false;
  // The newest of its frames: those before it are worth nothing without the first.
  const [gone] = core.held.splice(shares.lastIndexOf(most), 1);
  if (gone) drop(turn, gone.frame, 'held-overflow');
  return true;
}

const heldOf = (core: StageCore, from: NodeId): number =>
  core.held.filter((held) => held.from === from).length;

/** Its `prepare` has come: what waited for it, in the order of arrival, waits no longer. */
export function takeHeld(core: StageCore, session: Session): readonly HeldFrame[] {
  const isDue = ({ frame }: HeldFrame): boolean =>
    frame.session === session.id && frame.epoch <= session.prepare.epoch;
  const due = core.held.filter(isDue);
  if (due.length > 0) core.held = core.held.filter((held) => !isDue(held));
  return due;
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
