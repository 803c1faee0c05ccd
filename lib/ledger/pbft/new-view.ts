import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { keepBody, fetchMissing, nullBatch } from './bodies.ts';
import { castPrepare } from './casting.ts';
import { frameOf, takeoverOf, viewChangeIsValid } from './certificates.ts';
import { onProven } from './checkpoints.ts';
import { accuse } from './evidence.ts';
import { executeReady } from './execute.ts';
import { newViewBody, type Carried, type NewView } from './messages/new-view.ts';
import { viewChangeBody, type ViewChange } from './messages/view-change.ts';
import type { Vote } from './messages/vote.ts';
import { isWithheld, persist } from './persist.ts';
import { propose } from './propose.ts';
import { electorateOf, newViewHolds, signNewView, signVote, voteHolds } from './signatures.ts';
import { withoutView } from './slots.ts';
import {
  met,
  primaryOf,
  quorum,
  slotsOf,
  update,
  updateSlot,
  type ReplicaState,
  type Turn,
} from './state.ts';
import { progress } from './votes.ts';

/** The new primary begins its view from q VIEW-CHANGEs, its own among them. */
export function makeNewView(turn: Turn, viewChanges: readonly ViewChange[]): void {
  const { state } = turn;
  const own = viewChanges.find(({ replica }) => replica === state.self);
  if (own === undefined || isWithheld(turn, 'new-view')) return;
  const others = viewChanges
    .filter((each) => each !== own)
    .sort((a, b) => a.replica - b.replica)
    .slice(0, quorum(state) - 1);
  const chosen = [own, ...others].sort((a, b) => a.replica - b.replica);
  const { checkpoint, digests } = takeoverOf(chosen);
  const { view } = state;
  const carried = digests.map((each, i): Carried => {
    const digest = each ?? nullBatch(state.env).digest;
    const sequence = checkpoint.sequence + 1 + i;
    return {
      digest,
      signature: signVote(state, 'pre-prepare', { view, sequence, digest }).signature,
    };
  });
  const message = signNewView(state, {
    epoch: state.constitution.epoch,
    view,
    replica: state.self,
    viewChanges: chosen,
    minSequence: checkpoint.sequence,
    carried,
  });
  met(turn, 'R16 a NEW-VIEW is made');
  persist(turn, { type: 'new-view', message }, message);
}

/** Another's NEW-VIEW: nothing in it is believed that does not follow from its VIEW-CHANGEs. */
export function onNewView(turn: Turn, message: NewView): void {
  const { state } = turn;
  if (message.epoch !== state.constitution.epoch || message.view < state.view) return;
  if (message.replica !== primaryOf(state, message.view) || message.replica === state.self) return;
  if (message.view === state.view && state.phase.kind === 'active') {
    compare(turn, message);
    return;
  }
  if (!newViewIsValid(state, message)) {
    met(turn, 'R16 a NEW-VIEW is refused');
    return;
  }
  met(turn, 'R16 a NEW-VIEW is taken');
  takeOver(turn, message);
  if (turn.state.constitution.epoch !== message.epoch) return;
  persist(turn, { type: 'new-view', message });
  beginView(turn);
}

function compare(turn: Turn, message: NewView): void {
  const { newView } = turn.state;
  if (newView === null || bytesEqual(newViewBody(newView), newViewBody(message))) return;
  if (newViewHolds(electorateOf(turn.state), message)) accuse(turn, newView, message);
}

/** Signatures, q valid VIEW-CHANGEs of distinct replicas for this view, and the same computation. */
export function newViewIsValid(state: ReplicaState, message: NewView): boolean {
  const of = electorateOf(state);
  const { view, viewChanges, minSequence, carried } = message;
  if (viewChanges.length < quorum(state) || !newViewHolds(of, message)) return false;
  const frame = frameOf(state);
  const isKnown = (each: ViewChange): boolean => {
    const known = state.viewChanges.get(each.replica);
    return known !== undefined && isSame(known, each);
  };
  if (viewChanges.some((each) => each.view !== view)) return false;
  if (!viewChanges.every((each) => isKnown(each) || viewChangeIsValid(frame, each))) return false;
  const { checkpoint, digests } = takeoverOf(viewChanges);
  if (minSequence !== checkpoint.sequence || carried.length !== digests.length) return false;
  const gap = nullBatch(state.env).digest;
  return carried.every(
    (each, i) =>
      bytesEqual(each.digest, digests[i] ?? gap) && voteHolds(of, carriedVote(message, i, each)),
  );
}

const isSame = (a: ViewChange, b: ViewChange): boolean =>
  bytesEqual(a.signature, b.signature) && bytesEqual(viewChangeBody(a), viewChangeBody(b));

const carriedVote = (message: NewView, index: number, { digest, signature }: Carried): Vote => ({
  type: 'pre-prepare',
  epoch: message.epoch,
  view: message.view,
  sequence: message.minSequence + 1 + index,
  digest,
  replica: message.replica,
  signature,
});

/** The view as its NEW-VIEW makes it; valid, and seen before where a log is read again. */
export function takeOver(turn: Turn, message: NewView): void {
  const { state, now } = turn;
  const { view, carried, minSequence } = message;
  update(turn, {
    view,
    phase: { kind: 'active', since: now.atMs },
    newView: message,
    slots: withoutView(state.slots, view),
    viewChanges: new Map([...state.viewChanges].filter(([, each]) => each.view > view)),
    proposed: minSequence + carried.length,
    heardAt: now.atMs,
    batchAt: now.atMs,
  });
  const { checkpoint } = takeoverOf(message.viewChanges);
  onProven(turn, checkpoint);
  if (turn.state.constitution.epoch !== message.epoch) return;
  const gap = nullBatch(state.env);
  for (const [i, each] of carried.entries()) {
    const proposal = carriedVote(message, i, each);
    if (proposal.sequence <= turn.state.stable.sequence) continue;
    if (bytesEqual(each.digest, gap.digest)) keepBody(turn, proposal.sequence, gap);
    updateSlot(turn, proposal.sequence, { proposal, proposedAt: now.atMs });
  }
}

/** Votes for what the view carries, as far as its batches are here. */
export function beginView(turn: Turn): void {
  for (const { sequence } of slotsOf(turn.state)) {
    castPrepare(turn, sequence);
    progress(turn, sequence);
  }
  fetchMissing(turn);
  executeReady(turn);
  propose(turn);
}
