import { later, type InstantMs } from '#lib/kernel/units.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import { MESH } from './limits.ts';

/**
 * Liveness and round-trip time of one link; pure. Beats come with the server's pings and not from
 * timers, which a hidden tab slows down.
 */
export interface Heartbeat {
  readonly heardAt: InstantMs;
  readonly beatAt: InstantMs;
  /** Smoothed as RFC 6298 does (SRTT, α = 1/8): one late pong says little of a path. */
  readonly rttMs: number | null;
}

export const newHeartbeat = (now: InstantMs): Heartbeat => ({
  heardAt: now,
  beatAt: now,
  rttMs: null,
});

/**
 * A beat: `dead` where the peer was silent too long. After a long gap between two beats it was us
 * who stood still (a suspended laptop, a stalled socket): its messages may still wait in our queue,
 * so it gets the full time again.
 */
export function beat(
  state: Heartbeat,
  now: InstantMs,
): { readonly state: Heartbeat; readonly dead: boolean } {
  const stalled = now - state.beatAt > MESH.stallMs;
  const heardAt = stalled ? now : state.heardAt;
  const dead = now > later(heardAt, TIMES.silenceDeadMs);
  return { state: { ...state, heardAt, beatAt: now }, dead };
}

export const heard = (state: Heartbeat, now: InstantMs): Heartbeat => ({ ...state, heardAt: now });

/** A pong echoes our own clock: a value that we cannot have sent is no measurement. */
export function ponged(state: Heartbeat, at: number, now: InstantMs): Heartbeat {
  const seen = now - at;
  const plausible = seen >= 0 && seen <= TIMES.silenceDeadMs * 2;
  const smoothed = state.rttMs === null ? seen : state.rttMs + (seen - state.rttMs) / 8;
  return { ...state, heardAt: now, rttMs: plausible ? smoothed : state.rttMs };
}
