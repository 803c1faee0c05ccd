import { later } from '#lib/kernel/units.ts';
import type { Epoch, SessionId } from '#lib/kernel/ids.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import { closeKv } from './kv.ts';
import { STAGE } from './limits.ts';
import { fault, type Session, type Turn } from './state.ts';

/** Frees all that a session holds here; a run in flight for it is void. */
export function endSession(turn: Turn, session: Session): void {
  for (const seat of session.seats) closeKv(turn, seat);
  turn.core.sessions.delete(session.id);
}

/** `end` is final, `release` up to its epoch: a tombstone beats any late `prepare` (S10). */
export function fenceOff(turn: Turn, id: SessionId, epoch: Epoch): void {
  const { core, now } = turn;
  const before = core.fences.get(id)?.epoch ?? 0;
  core.fences.delete(id);
  core.fences.set(id, { epoch: Math.max(before, epoch), until: later(now, TIMES.tombstoneMs) });
  const [oldest] = core.fences.keys();
  if (core.fences.size > STAGE.fencesMax && oldest !== undefined) core.fences.delete(oldest);
  core.held = core.held.filter(({ frame }) => frame.session !== id || frame.epoch > epoch);
  const session = core.sessions.get(id);
  if (session && session.prepare.epoch <= epoch) endSession(turn, session);
}

/** A stage without a frame or keep-alive for 15 s frees the session and says so (S10). */
export function expireSessions(turn: Turn): void {
  for (const session of turn.core.sessions.values()) {
    if (turn.now < later(session.heardAt, TIMES.stageExpiryMs)) continue;
    for (const seat of session.seats) fault(turn, seat, 'expired');
    endSession(turn, session);
  }
}

export function expireFences(turn: Turn): void {
  for (const [id, fence] of turn.core.fences)
    if (fence.until <= turn.now) turn.core.fences.delete(id);
}
