import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf, isNull, keepBody, onBodyOf } from './bodies.ts';
import { accuse } from './evidence.ts';
import { TIMES } from './limits.ts';
import type { PrePrepare } from './messages/pre-prepare.ts';
import type { Vote } from './messages/vote.ts';
import { persist } from './persist.ts';
import { weakQuorumOf } from './quorum.ts';
import { electorateOf, signVote, voteHolds } from './signatures.ts';
import {
  inWindow,
  isClosing,
  primaryOf,
  slotAt,
  update,
  updateSlot,
  votes,
  type ReplicaState,
  type Turn,
} from './state.ts';
import type { CheckedBatch } from './types.ts';
import { progress } from './votes.ts';

/** A proposal of another replica, from itself or passed on: it is the signature that counts. */
export function onPrePrepare(turn: Turn, message: PrePrepare): void {
  const { state } = turn;
  const { vote } = message;
  if (vote.epoch !== state.constitution.epoch || vote.view !== state.view) return;
  if (vote.replica !== primaryOf(state, vote.view) || vote.replica === state.self) return;
  if (!inWindow(state, vote.sequence)) return;
  const { proposal } = slotAt(state, vote.sequence);
  if (proposal !== null) {
    onSecond(turn, proposal, message);
    return;
  }
  if (state.phase.kind !== 'active' || isClosing(state)) return;
  const last = state.head.constitution.endsAfter;
  if (last !== null && vote.sequence > last) return;
  if (!voteHolds(electorateOf(state), vote)) return;
  const batch = state.env.application.checkBatch(message.batch);
  if (batch === null || !bytesEqual(batch.digest, vote.digest)) return;
  if (!isTimely(turn, batch) && !isCatchUp(state, vote)) return;
  update(turn, { heardAt: turn.now.atMs });
  takeProposal(turn, vote, batch);
}

/** The first proposal of a view stands; another one convicts the primary. */
function onSecond(turn: Turn, first: Vote, { vote, batch }: PrePrepare): void {
  const { state } = turn;
  if (!bytesEqual(first.digest, vote.digest)) {
    if (voteHolds(electorateOf(state), vote)) accuse(turn, first, vote);
    return;
  }
  if (bodyOf(state, vote.digest) !== null) return;
  const body = state.env.application.checkBatch(batch);
  if (body === null || !bytesEqual(body.digest, vote.digest)) return;
  onBodyOf(turn, vote.sequence, body);
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
  if (batch.timeMs > 0) update(turn, { batchAt: turn.now.atMs });
  castPrepare(turn, vote.sequence);
  progress(turn, vote.sequence);
}

/** PREPARE, once a view and slot, for a proposal whose batch is here. The primary casts none. */
export function castPrepare(turn: Turn, sequence: number): void {
  const { state } = turn;
  const { proposal, preparedIn } = slotAt(state, sequence);
  if (proposal === null || !votes(state) || state.phase.kind !== 'active') return;
  if (proposal.replica === state.self || preparedIn >= state.view) return;
  const batch = bodyOf(state, proposal.digest);
  if (batch === null) return;
  updateSlot(turn, sequence, { preparedIn: state.view });
  const vote = signVote(state, 'prepare', proposal);
  const message = {
    type: 'pre-prepare' as const,
    vote: { ...proposal, type: 'pre-prepare' as const },
    batch: batch.bytes,
  };
  persist(turn, { type: 'prepare', message }, vote);
}
