import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf, isNull, keepBody } from './bodies.ts';
import { castPrepare } from './casting.ts';
import { accuse } from './evidence.ts';
import { onBodyOf } from './late-bodies.ts';
import { TIMES } from './limits.ts';
import type { PrePrepare } from './messages/pre-prepare.ts';
import type { Vote } from './messages/vote.ts';
import { weakQuorumOf } from './quorum.ts';
import { electorateOf, voteHolds } from './signatures.ts';
import {
  inWindow,
  isClosing,
  met,
  primaryOf,
  slotAt,
  update,
  updateSlot,
  type ReplicaState,
  type Turn,
} from './state.ts';
import type { CheckedBatch } from './types.ts';
import { progress } from './votes.ts';

/** A proposal of another replica, from itself or passed on: it is the signature that counts. */
export function onPrePrepare(turn: Turn, message: PrePrepare): void {
  const { state } = turn;
  const { vote } = message;
  if (vote.epoch !== state.constitution.epoch || vote.view > state.view) return;
  if (vote.replica !== primaryOf(state, vote.view) || vote.replica === state.self) return;
  if (!inWindow(state, vote.sequence)) {
    met(turn, 'R5 a proposal is outside the window');
    return;
  }
  if (vote.view < state.view) {
    keepOfLeftView(turn, message);
    return;
  }
  const { proposal } = slotAt(state, vote.sequence);
  if (proposal !== null) {
    onSecond(turn, proposal, message);
    return;
  }
  if (state.phase.kind !== 'active' || isClosing(state)) return;
  if (isPastEnd(turn, vote) || !voteHolds(electorateOf(state), vote)) return;
  const batch = batchOf(turn, message);
  if (batch === null || !mayVoteFor(turn, vote, batch)) return;
  update(turn, { heardAt: turn.now.atMs });
  met(turn, 'R5 a proposal is taken');
  takeProposal(turn, vote, batch);
}

/**
 * Of a view that was left the batch alone is of use, for COMMITs may prove it: who was proposed it has it
 * then, while the others forget it at their next checkpoint.
 */
function keepOfLeftView(turn: Turn, message: PrePrepare): void {
  const { state } = turn;
  const { vote } = message;
  const { committed } = slotAt(state, vote.sequence);
  const isOther = committed !== null && !bytesEqual(committed, vote.digest);
  if (isOther || bodyOf(state, vote.digest) !== null) return;
  if (!voteHolds(electorateOf(state), vote)) return;
  const batch = batchOf(turn, message);
  if (batch === null) return;
  met(turn, 'R26 a batch of a view that was left is kept');
  if (committed === null) keepBody(turn, vote.sequence, batch);
  else onBodyOf(turn, vote.sequence, batch);
}

function isPastEnd(turn: Turn, { sequence }: Vote): boolean {
  const last = turn.state.head.constitution.endsAfter;
  const isPast = last !== null && sequence > last;
  if (isPast) met(turn, 'R22 a proposal past c is not taken');
  return isPast;
}

/** The proposal's batch; null where it is not valid, or another than was signed. */
function batchOf(turn: Turn, { vote, batch }: PrePrepare): CheckedBatch | null {
  const checked = turn.state.env.application.checkBatch(batch);
  if (checked !== null && bytesEqual(checked.digest, vote.digest)) return checked;
  met(turn, 'R5 a proposal is not what its batch is');
  return null;
}

/** Only a batch that is timely, or was so for q others. */
function mayVoteFor(turn: Turn, vote: Vote, batch: CheckedBatch): boolean {
  if (isTimely(turn, batch)) return true;
  const isLate = isCatchUp(turn.state, vote);
  met(
    turn,
    isLate
      ? 'R21 a batch comes late, and f + 1 COMMITs show that it was timely'
      : 'R21 a batch is not timely',
  );
  return isLate;
}

/** The first proposal of a view stands; another one convicts the primary. */
function onSecond(turn: Turn, first: Vote, message: PrePrepare): void {
  const { state } = turn;
  const { vote } = message;
  if (!bytesEqual(first.digest, vote.digest)) {
    if (!voteHolds(electorateOf(state), vote)) return;
    met(turn, 'R5 a second proposal convicts');
    accuse(turn, first, vote);
    return;
  }
  if (bodyOf(state, vote.digest) !== null) return;
  const body = batchOf(turn, message);
  if (body !== null) onBodyOf(turn, vote.sequence, body);
}

/** Near to our own clock. A null batch has no time, and moves none. */
const isTimely = ({ now }: Turn, batch: CheckedBatch): boolean =>
  isNull(batch) || Math.abs(batch.timeMs - now.wallMs) <= TIMES.skewMsMax;

/** f + 1 COMMITs: a correct replica knows q that found it timely. We only come late. */
function isCatchUp(state: ReplicaState, { view, sequence, digest }: Vote): boolean {
  const commits = [...slotAt(state, sequence).commits.values()].filter(
    (vote) => vote.view === view && bytesEqual(vote.digest, digest),
  );
  return commits.length >= weakQuorumOf(state.constitution.members.length);
}

/** The slot's proposal in this view, another's or our own. */
export function takeProposal(turn: Turn, vote: Vote, batch: CheckedBatch): void {
  keepBody(turn, vote.sequence, batch);
  updateSlot(turn, vote.sequence, { proposal: vote, proposedAt: turn.now.atMs });
  update(turn, { proposed: Math.max(turn.state.proposed, vote.sequence) });
  if (batch.timeMs > 0) update(turn, { batchAt: turn.now.atMs });
  castPrepare(turn, vote.sequence);
  progress(turn, vote.sequence);
}
