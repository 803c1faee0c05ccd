import { later, type InstantMs } from '#lib/kernel/units.ts';
import { TIMES } from './limits.ts';
import { propose } from './propose.ts';
import { relayOld } from './requests.ts';
import { isPrimary, met, timeoutMs, votes, type ReplicaState, type Turn } from './state.ts';
import { beat } from './status.ts';
import { startViewChange } from './view-change.ts';

export function onTick(turn: Turn): void {
  const { now } = turn;
  if (now.atMs >= turn.state.statusAt) beat(turn);
  const { state } = turn;
  if (votes(state) && now.atMs >= patienceEndsAt(state)) {
    met(turn, 'R12 patience is over');
    startViewChange(turn, state.view + 1);
  }
  relayOld(turn, timeoutMs(turn.state) / 2);
  propose(turn);
}

const NEVER = Infinity as InstantMs;

/** When this replica gives up on the view. */
function patienceEndsAt(state: ReplicaState): InstantMs {
  if (state.phase.kind === 'changing') return state.phase.deadline ?? NEVER;
  if (isPrimary(state) || !votes(state)) return NEVER;
  const patience = timeoutMs(state);
  const ends = [
    later(state.heardAt, patience),
    later(state.batchAt, TIMES.batchEveryMs + patience),
  ];
  const { since } = state.phase;
  const waits = (at: InstantMs): void => {
    ends.push(later(at > since ? at : since, patience));
  };
  // The oldest first: that others are executed gives nobody more time to leave this one out.
  const { oldest } = state.pending;
  if (oldest !== undefined) waits(oldest.at);
  for (let sequence = state.head.sequence + 1; sequence <= state.proposed; sequence += 1) {
    const slot = state.slots.get(sequence);
    if (slot !== undefined && slot.proposal !== null) waits(slot.proposedAt);
  }
  return Math.min(...ends) as InstantMs;
}

/** When a `tick` is due next, if nothing else happens. */
export function nextTickAt(state: ReplicaState): InstantMs {
  const ends = [state.statusAt, patienceEndsAt(state)];
  if (isPrimary(state) && state.isSpaced) ends.push(state.spacedUntil);
  return Math.min(...ends) as InstantMs;
}
