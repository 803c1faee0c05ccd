import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf, fetchFrom } from './bodies.ts';
import { castCommit } from './casting.ts';
import { accuse } from './evidence.ts';
import { executeReady } from './execute.ts';
import type { PreparedCertificate } from './messages/view-change.ts';
import { inOrder, signed, type Vote } from './messages/vote.ts';
import { propose } from './propose.ts';
import { electorateOf, voteHolds } from './signatures.ts';
import {
  inWindow,
  met,
  primaryOf,
  quorum,
  slotAt,
  updateSlot,
  type ReplicaState,
  type Slot,
  type Turn,
} from './state.ts';

type PhaseVote = Vote & { readonly type: 'prepare' | 'commit' };

/** Another's PREPARE or COMMIT. Those of a later view are kept: its NEW-VIEW may be behind them. */
export function onVote(turn: Turn, vote: PhaseVote): void {
  const { state } = turn;
  if (vote.epoch !== state.constitution.epoch || !mayCount(state, vote)) return;
  // The primary's proposal is its vote: counted again it would stand for a replica that never voted.
  if (vote.type === 'prepare' && vote.replica === primaryOf(state, vote.view)) {
    met(turn, 'R6 the primary’s PREPARE is not counted');
    return;
  }
  const known = votesOf(slotAt(state, vote.sequence), vote.type).get(vote.replica);
  if (known !== undefined && known.view > vote.view) return;
  const isSecond = known?.view === vote.view;
  if (isSecond && bytesEqual(known.digest, vote.digest)) {
    met(turn, 'R6 a vote comes once more');
    return;
  }
  if (!voteHolds(electorateOf(state), vote)) return;
  if (isSecond) accuse(turn, known, vote);
  else countVote(turn, vote);
}

/** Of a view that is left, COMMITs only, and only while the slot may still be proven by them. */
function mayCount(state: ReplicaState, { type, view, sequence }: PhaseVote): boolean {
  if (!inWindow(state, sequence)) return false;
  return view >= state.view || (type === 'commit' && slotAt(state, sequence).committed === null);
}

const votesOf = (slot: Slot, type: PhaseVote['type']): ReadonlyMap<number, Vote> =>
  type === 'prepare' ? slot.prepares : slot.commits;

/** A vote that holds, another's or our own once it is on disk. */
export function countVote(turn: Turn, vote: PhaseVote): void {
  if (!mayCount(turn.state, vote)) return;
  keepVote(turn, vote);
  progress(turn, vote.sequence);
}

export function keepVote(turn: Turn, vote: PhaseVote): void {
  const slot = slotAt(turn.state, vote.sequence);
  const all = new Map(votesOf(slot, vote.type)).set(vote.replica, vote);
  updateSlot(turn, vote.sequence, vote.type === 'prepare' ? { prepares: all } : { commits: all });
}

/** Votes of one view for one batch: those of different views are never counted together. */
function matching(all: ReadonlyMap<number, Vote>, { view, digest }: Vote): Vote[] {
  return [...all.values()].filter((vote) => vote.view === view && bytesEqual(vote.digest, digest));
}

/** Prepared? Committed? Executable? In this order: in its own view a slot commits only where it prepared. */
export function progress(turn: Turn, sequence: number): void {
  if (turn.state.phase.kind === 'active') prepare(turn, sequence);
  const slot = turn.state.slots.get(sequence);
  if (slot === undefined || slot.committed !== null) return;
  const digest = committedInView(turn.state, slot) ?? committedInLeftView(turn, slot);
  if (digest === null) return;
  met(turn, 'R7 a slot is committed');
  updateSlot(turn, sequence, { committed: digest });
  executeReady(turn);
}

function prepare(turn: Turn, sequence: number): void {
  const certificate = certificateOf(turn.state, slotAt(turn.state, sequence));
  if (certificate === null) return;
  met(turn, 'R6 a slot is prepared');
  updateSlot(turn, sequence, { certificate });
  castCommit(turn, certificate);
  propose(turn);
}

/** The batch that q COMMITs of the current view are for, where it prepared here; null: not yet. */
function committedInView(state: ReplicaState, slot: Slot): Uint8Array | null {
  const { proposal, certificate } = slot;
  if (proposal === null || certificate?.view !== state.view) return null;
  if (matching(slot.commits, proposal).length < quorum(state)) return null;
  return proposal.digest;
}

/**
 * The batch that q COMMITs of a view are for which this replica has left, it may be alone: q prepared it
 * there, so every later view carries it (OSDI '99 §4.4). One of them is asked for it where it lacks.
 */
function committedInLeftView(turn: Turn, { sequence, commits }: Slot): Uint8Array | null {
  const { state } = turn;
  const left = [...commits.values()].filter(({ view }) => view < state.view);
  if (left.length < quorum(state)) return null;
  const proofs = left.map((vote) => matching(commits, vote));
  const proof = proofs.find(({ length }) => length >= quorum(state));
  const digest = proof?.[0]?.digest;
  if (proof === undefined || digest === undefined) return null;
  met(turn, 'R26 a slot is committed by a view that was left');
  if (bodyOf(state, digest) === null) fetchFrom(turn, { sequence, digest, commits: proof });
  return digest;
}

/** A certificate that this slot did not have in this view. */
function certificateOf(state: ReplicaState, slot: Slot): PreparedCertificate | null {
  const { proposal } = slot;
  if (proposal === null || slot.certificate?.view === state.view) return null;
  const prepares = matching(slot.prepares, proposal);
  if (prepares.length < quorum(state) - 1) return null;
  const { epoch, view, sequence, digest } = proposal;
  return { epoch, view, sequence, digest, proposal: signed(proposal), prepares: inOrder(prepares) };
}
