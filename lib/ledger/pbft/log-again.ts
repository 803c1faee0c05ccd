import { bodyOf } from './bodies.ts';
import { logCheckpoint } from './checkpoint-log.ts';
import { LIMITS } from './limits.ts';
import { persist } from './persist.ts';
import type { Message } from './messages/message.ts';
import type { ViewChange } from './messages/view-change.ts';
import {
  isTellable,
  met,
  slotsOf,
  votes,
  type ChainHead,
  type ReplicaState,
  type Slot,
  type Turn,
} from './state.ts';

/**
 * The `stable` record, and after it again all that still counts: the view's promise, and votes above
 * the checkpoint, those too that wait for the disk and leave after it, and later checkpoints. So the log may be cut before it,
 * and a view is never forgotten with the log's head; nor that the key lost its log once, which stands
 * before the record, so that no crash comes between.
 */
export function logAgain(
  turn: Turn,
  own: ChainHead,
  of: { readonly endsEpoch: boolean; readonly leadsHere: boolean },
): void {
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
    ...of,
    dueAfter: LIMITS.windowsInLogMax * constitution.parameters.logWindow,
  });
  if (!votes(state)) return;
  met(turn, 'R18 logged again before the log is cut');
  const promise = ownViewChange(state);
  const newView = state.newView ?? withheldOf(state, 'new-view');
  if (newView !== null) persist(turn, { type: 'new-view', message: newView });
  else if (promise !== null) persist(turn, { type: 'view-change', message: promise });
  for (const slot of slotsOf(state)) logSlot(turn, slot);
  for (const head of state.checkpoints.values())
    if (head.sequence > stable.sequence) logCheckpoint(turn, head, null);
  for (const { message } of state.withheld) {
    if (message.type !== 'pre-prepare' || message.vote.sequence <= stable.sequence) continue;
    if (message.vote.view === view && message.vote.epoch === epoch)
      persist(turn, { type: 'propose', message });
  }
}

/** Our own message for the current view that waits for the disk: it leaves after the log may be cut. */
function withheldOf<T extends 'view-change' | 'new-view'>(
  state: ReplicaState,
  type: T,
): Extract<Message, { type: T }> | null {
  const found = state.withheld.find(
    ({ message }) =>
      message.type === type &&
      message.view === state.view &&
      message.epoch === state.constitution.epoch,
  );
  return (found?.message ?? null) as Extract<Message, { type: T }> | null;
}

/** Our VIEW-CHANGE for the current view, sent or waiting for the disk. */
export function ownViewChange(state: ReplicaState): ViewChange | null {
  const sent = state.viewChanges.get(state.self);
  return sent?.view === state.view ? sent : withheldOf(state, 'view-change');
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
  if (certificate !== null && isTellable(state, certificate.sequence))
    persist(turn, { type: 'commit', certificate });
}
