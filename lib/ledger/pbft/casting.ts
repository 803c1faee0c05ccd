import { bodyOf } from './bodies.ts';
import type { PreparedCertificate } from './messages/view-change.ts';
import { persist } from './persist.ts';
import { signVote } from './signatures.ts';
import { isTellable, met, slotAt, slotsOf, updateSlot, votes, type Turn } from './state.ts';

/** This replica's own votes on a slot. Each leaves, and counts, once it is on disk. */

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

/**
 * COMMIT, once a view and slot, and no more than L above the own stable checkpoint: who restarts knows no
 * later one, and its VIEW-CHANGE could not tell of the slot.
 */
export function castCommit(turn: Turn, certificate: PreparedCertificate): void {
  const { state } = turn;
  const { sequence, view } = certificate;
  if (!votes(state) || slotAt(state, sequence).committedIn >= view) return;
  if (!isTellable(state, sequence)) {
    met(turn, 'R15 a COMMIT waits for the state below it');
    return;
  }
  updateSlot(turn, sequence, { committedIn: view });
  persist(turn, { type: 'commit', certificate }, signVote(state, 'commit', certificate));
}

/** After a checkpoint: COMMITs that waited for it. */
export function castWaitingCommits(turn: Turn): void {
  if (turn.state.phase.kind !== 'active') return;
  for (const { certificate } of slotsOf(turn.state))
    if (certificate?.view === turn.state.view) castCommit(turn, certificate);
}
