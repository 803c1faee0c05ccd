import { bodyOf } from './bodies.ts';
import { persist } from './persist.ts';
import type { ViewChange } from './messages/view-change.ts';
import {
  slotsOf,
  votes,
  type ChainHead,
  type ReplicaState,
  type Slot,
  type Turn,
} from './state.ts';

/**
 * The `stable` record, and after it again all that still counts: the view's promise, and votes above
 * the checkpoint. So the log may be cut before it, and a view is never forgotten with the log's head; nor
 * that the key lost its log once, which stands before the record, so that no crash comes between.
 */
export function logAgain(turn: Turn, own: ChainHead, endsEpoch: boolean): void {
  const { state } = turn;
  const { stable, constitution, view, epochEnds } = state;
  const epoch = constitution.epoch;
  const { publicKey } = state.env.signer;
  const markId = state.isAmnesiac ? persist(turn, { type: 'amnesia', publicKey }) : null;
  const recordId = persist(turn, { type: 'stable', certificate: stable, epoch, view });
  turn.out.push({
    type: 'stable',
    recordId: markId ?? recordId,
    state: {
      header: own.header,
      certificate: stable,
      peaks: own.range.peaks,
      epochEnds,
      app: own.app,
    },
    endsEpoch,
  });
  if (!votes(state)) return;
  const promise = ownViewChange(state);
  if (state.newView !== null) persist(turn, { type: 'new-view', message: state.newView });
  else if (promise !== null) persist(turn, { type: 'view-change', message: promise });
  for (const slot of slotsOf(state)) logSlot(turn, slot);
}

/** Our VIEW-CHANGE for the current view, sent or waiting for the disk. */
export function ownViewChange(state: ReplicaState): ViewChange | null {
  const sent = state.viewChanges.get(state.self);
  if (sent?.view === state.view) return sent;
  for (const { message } of state.withheld) {
    if (message.type !== 'view-change' || message.view !== state.view) continue;
    if (message.epoch === state.constitution.epoch) return message;
  }
  return null;
}

function logSlot(turn: Turn, { proposal, certificate, preparedIn }: Slot): void {
  const { state } = turn;
  const batch = proposal === null ? null : bodyOf(state, proposal.digest);
  const isOwn = proposal?.replica === state.self;
  if (proposal !== null && batch !== null && (isOwn || preparedIn === state.view)) {
    const vote = { ...proposal, type: 'pre-prepare' as const };
    const message = { type: 'pre-prepare' as const, vote, batch: batch.bytes };
    persist(turn, { type: isOwn ? 'propose' : 'prepare', message });
  }
  if (certificate !== null) persist(turn, { type: 'commit', certificate });
}
