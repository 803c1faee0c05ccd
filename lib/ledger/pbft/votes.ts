import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { accuse } from './evidence.ts';
import { executeReady } from './execute.ts';
import type { PreparedCertificate } from './messages/view-change.ts';
import type { Signed, Vote } from './messages/vote.ts';
import { persist } from './persist.ts';
import { propose } from './propose.ts';
import { electorateOf, signVote, voteHolds } from './signatures.ts';
import {
  inWindow,
  primaryOf,
  quorum,
  slotAt,
  updateSlot,
  votes,
  type ReplicaState,
  type Slot,
  type Turn,
} from './state.ts';

type PhaseVote = Vote & { readonly type: 'prepare' | 'commit' };

/** Another's PREPARE or COMMIT. Those of a later view are kept: its NEW-VIEW may be behind them. */
export function onVote(turn: Turn, vote: PhaseVote): void {
  const { state } = turn;
  if (vote.epoch !== state.constitution.epoch || vote.view < state.view) return;
  if (!inWindow(state, vote.sequence)) return;
  // The primary's proposal is its vote: counted again it would stand for a replica that never voted.
  if (vote.type === 'prepare' && vote.replica === primaryOf(state, vote.view)) return;
  const known = votesOf(slotAt(state, vote.sequence), vote.type).get(vote.replica);
  if (known !== undefined && known.view > vote.view) return;
  const isSecond = known?.view === vote.view;
  if (isSecond && bytesEqual(known.digest, vote.digest)) return;
  if (!voteHolds(electorateOf(state), vote)) return;
  if (isSecond) accuse(turn, known, vote);
  else countVote(turn, vote);
}

const votesOf = (slot: Slot, type: PhaseVote['type']): ReadonlyMap<number, Vote> =>
  type === 'prepare' ? slot.prepares : slot.commits;

/** A vote that holds, another's or our own once it is on disk. */
export function countVote(turn: Turn, vote: PhaseVote): void {
  if (!inWindow(turn.state, vote.sequence) || vote.view < turn.state.view) return;
  keepVote(turn, vote);
  progress(turn, vote.sequence);
}

export function keepVote(turn: Turn, vote: PhaseVote): void {
  const slot = slotAt(turn.state, vote.sequence);
  const all = new Map(votesOf(slot, vote.type)).set(vote.replica, vote);
  updateSlot(turn, vote.sequence, vote.type === 'prepare' ? { prepares: all } : { commits: all });
}

/** Votes for the current view's proposal. */
function matching(all: ReadonlyMap<number, Vote>, { view, digest }: Vote): Vote[] {
  return [...all.values()].filter((vote) => vote.view === view && bytesEqual(vote.digest, digest));
}

/** Prepared? Committed? Executable? In this order: a slot that has not prepared here never commits. */
export function progress(turn: Turn, sequence: number): void {
  if (turn.state.phase.kind !== 'active') return;
  const certificate = certificateOf(turn.state, slotAt(turn.state, sequence));
  if (certificate !== null) {
    updateSlot(turn, sequence, { certificate });
    castCommit(turn, certificate);
    propose(turn, 'prepared');
  }
  const slot = turn.state.slots.get(sequence);
  if (slot === undefined || slot.committed !== null) return;
  const { proposal } = slot;
  if (proposal === null || slot.certificate?.view !== turn.state.view) return;
  if (matching(slot.commits, proposal).length < quorum(turn.state)) return;
  updateSlot(turn, sequence, { committed: proposal.digest });
  executeReady(turn);
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

const signed = ({ replica, signature }: Signed): Signed => ({ replica, signature });

export const inOrder = (all: readonly Signed[]): Signed[] =>
  all.map(signed).sort((a, b) => a.replica - b.replica);

function castCommit(turn: Turn, certificate: PreparedCertificate): void {
  const { state } = turn;
  const { sequence, view } = certificate;
  if (!votes(state) || slotAt(state, sequence).committedIn >= view) return;
  updateSlot(turn, sequence, { committedIn: view });
  persist(turn, { type: 'commit', certificate }, signVote(state, 'commit', certificate));
}
