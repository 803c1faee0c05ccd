import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { frameOf, viewChangeIsValid } from './certificates.ts';
import { accuse } from './evidence.ts';
import { TIMES } from './limits.ts';
import { viewChangeBody, type ViewChange } from './messages/view-change.ts';
import { makeNewView } from './new-view.ts';
import { persist } from './persist.ts';
import { electorateOf, signViewChange, viewChangeHolds } from './signatures.ts';
import {
  after,
  met,
  primaryOf,
  proven,
  quorum,
  slotsOf,
  timeoutMs,
  update,
  votes,
  type ReplicaState,
  type Turn,
} from './state.ts';
import { weakQuorumOf } from './quorum.ts';
import { withoutView } from './slots.ts';

/** Leaves the view: a promise to vote in none below `view`, on disk before it is given. */
export function startViewChange(turn: Turn, view: number): void {
  if (!votes(turn.state) || view <= turn.state.view) return;
  const { doublings, pending, slots } = turn.state;
  met(turn, 'R13 a view is left');
  update(turn, {
    view,
    phase: { kind: 'changing', deadline: null },
    newView: null,
    slots: withoutView(slots, view),
    delayed: new Set(pending.keys()),
    doublings: Math.min(doublings + 1, TIMES.doublingsMax),
  });
  const { state } = turn;
  const message = signViewChange(state, {
    epoch: state.constitution.epoch,
    view,
    replica: state.self,
    checkpoint: checkpointOf(state),
    prepared: slotsOf(state)
      .filter(({ sequence }) => sequence > proven(state).sequence)
      .flatMap(({ certificate }) => (certificate === null ? [] : [certificate])),
  });
  persist(turn, { type: 'view-change', message }, message);
}

/** The highest proven checkpoint; the epoch's beginning needs no proof among who is in the epoch. */
function checkpointOf(state: ReplicaState): ViewChange['checkpoint'] {
  const certificate = proven(state);
  return certificate.sequence === state.base.sequence ? { ...certificate, seals: [] } : certificate;
}

/** Another's VIEW-CHANGE: of each replica the highest is kept, so views far ahead take no room. */
export function onViewChange(turn: Turn, message: ViewChange): void {
  const { state } = turn;
  if (message.epoch !== state.constitution.epoch || message.view < state.view) return;
  if (message.view === state.view && state.phase.kind === 'active') return;
  const known = state.viewChanges.get(message.replica);
  if (known !== undefined && known.view >= message.view) {
    if (known.view === message.view) compare(turn, known, message);
    return;
  }
  if (!viewChangeIsValid(frameOf(state), message)) {
    met(turn, 'R15 a VIEW-CHANGE is discarded');
    return;
  }
  if (known !== undefined) met(turn, 'R14 a higher VIEW-CHANGE takes the place of one');
  keepViewChange(turn, message);
}

function compare(turn: Turn, known: ViewChange, message: ViewChange): void {
  if (bytesEqual(viewChangeBody(known), viewChangeBody(message))) return;
  if (viewChangeHolds(electorateOf(turn.state), message)) accuse(turn, known, message);
}

/** One that is valid, another's or our own once it is on disk. */
export function keepViewChange(turn: Turn, message: ViewChange): void {
  if (message.view < turn.state.view) return;
  const { viewChanges } = turn.state;
  update(turn, { viewChanges: new Map(viewChanges).set(message.replica, message) });
  join(turn);
  onQuorum(turn);
}

/** f + 1 are beyond our view, so a correct one is: to the view that f + 1 have reached. */
function join(turn: Turn): void {
  const { state } = turn;
  const views = [...state.viewChanges.values()]
    .map(({ view }) => view)
    .filter((view) => view > state.view)
    .sort((a, b) => b - a);
  const reached = views[weakQuorumOf(state.constitution.members.length) - 1];
  if (reached === undefined) return;
  met(turn, 'R14 f + 1 draw along');
  startViewChange(turn, reached);
}

/**
 * q are in this view or beyond: from now on its primary's time runs. Who is beyond has left the views
 * below, and says so no more: without counting it, some would wait in a view that nobody can begin.
 */
function onQuorum(turn: Turn): void {
  const { state } = turn;
  if (state.phase.kind !== 'changing') return;
  const beyond = [...state.viewChanges.values()].filter(({ view }) => view >= state.view);
  if (beyond.length < quorum(state)) return;
  if (state.phase.deadline === null) {
    met(turn, 'R13 q have left: the timer runs');
    update(turn, { phase: { kind: 'changing', deadline: after(turn, timeoutMs(state)) } });
  }
  const same = beyond.filter(({ view }) => view === state.view);
  const isPrimary = primaryOf(state, state.view) === state.self;
  if (isPrimary && same.length >= quorum(state)) makeNewView(turn, same);
}
