import { askForState } from './asking.ts';
import { bodyOf, fetchMissing } from './bodies.ts';
import type { Status } from './messages/link-messages.ts';
import type { Message } from './messages/message.ts';
import { LIMITS } from './limits.ts';
import {
  after,
  beatMs,
  isPrimary,
  met,
  send,
  slotsOf,
  update,
  type ReplicaState,
  type Slot,
  type Turn,
} from './state.ts';
import { forgetGiven } from './giving.ts';
import { noteHint } from './transfer.ts';
import type { Link } from './types.ts';

const statusOf = ({ constitution, view, phase, head, stable }: ReplicaState): Status => ({
  type: 'status',
  epoch: constitution.epoch,
  view,
  isChanging: phase.kind === 'changing',
  executed: head.sequence,
  stable: stable.sequence,
});

/** Every T/4: where we stand, what we lack, and, of the primary, that it lives. */
export function beat(turn: Turn): void {
  update(turn, { statusAt: after(turn, beatMs(turn.state)), answered: new Map() });
  const { state } = turn;
  send(turn, 'all', statusOf(state));
  const { view, constitution } = state;
  if (isPrimary(state)) send(turn, 'all', { type: 'heartbeat', epoch: constitution.epoch, view });
  const promise = state.viewChanges.get(state.self);
  if (state.phase.kind === 'changing' && promise?.view === view) send(turn, 'all', promise);
  fetchMissing(turn);
  askForState(turn);
  forgetGiven(turn);
}

/** Sends a peer what its STATUS shows that it lacks. It may lie: then it is sent things it has. */
export function onStatus(turn: Turn, status: Status, link: Link): void {
  const { state } = turn;
  noteHint(turn, status, link);
  if (status.epoch !== state.constitution.epoch) return;
  const to = { id: link.id };
  const { answered } = turn.state;
  const count = answered.get(`status/${link.id}`) ?? 0;
  if (count >= STATUS_ANSWERS_MAX) return;
  update(turn, { answered: new Map(answered).set(`status/${link.id}`, count + 1) });
  const isBehind = status.view < state.view || (status.view === state.view && status.isChanging);
  if (isBehind && state.newView !== null) send(turn, to, state.newView);
  const promise = state.viewChanges.get(state.self);
  if (isBehind && state.phase.kind === 'changing' && promise !== undefined) send(turn, to, promise);
  const lacked = lackedBy(state, status, link);
  if (status.view > state.view && lacked.some(({ type }) => type === 'commit'))
    met(turn, 'R26 who has left the view is told of COMMITs');
  for (const message of lacked) send(turn, to, message);
}

/** One every T/4 is what a correct replica sends; clocks differ. */
const STATUS_ANSWERS_MAX = 3;

function lackedBy(state: ReplicaState, status: Status, link: Link): Message[] {
  const messages: Message[] = [];
  for (const seals of state.seals.values()) {
    const own = seals.get(state.self);
    if (own !== undefined && own.sequence > status.stable) messages.push(own);
  }
  if (status.view < state.view || state.phase.kind !== 'active') return messages;
  // It has left our view, and takes no more of it than what proves a slot: COMMITs.
  const hasLeft = status.view > state.view;
  const { window } = state.constitution.parameters;
  const peer = state.constitution.members.findIndex(({ id }) => id === link.id);
  let bytes = 0;
  let slots = 0;
  for (const slot of slotsOf(state)) {
    const isBehind = slot.sequence > status.executed;
    // Its COMMIT shows that it prepared here. Until then it needs us even where it has executed: the
    // slot may be carried from a view before, and another wait for its vote in this one.
    const mayPrepare = !hasLeft && slot.commits.get(peer)?.view !== state.view;
    const needed = slotMessages(state, slot).filter((message) =>
      message.type === 'commit' ? isBehind : mayPrepare && (peer >= 0 || isBehind),
    );
    if (needed.length === 0) continue;
    slots += 1;
    for (const message of needed) {
      if (message.type === 'pre-prepare') bytes += message.batch.length;
      if (bytes > LIMITS.batchBytesMax || slots > 2 * window) return messages;
      messages.push(message);
    }
  }
  return messages;
}

/** Of our view our own votes and the proposal, whoever made it: sent before. Votes first (see `isCatchUp`). */
function slotMessages(state: ReplicaState, slot: Slot): Message[] {
  const { proposal, prepares, commits } = slot;
  const messages: Message[] = [];
  const prepare = prepares.get(state.self);
  const commit = commits.get(state.self);
  if (prepare !== undefined) messages.push({ ...prepare, type: 'prepare' });
  if (commit?.view === state.view) messages.push({ ...commit, type: 'commit' });
  const batch = proposal === null ? null : bodyOf(state, proposal.digest);
  if (proposal !== null && batch !== null) {
    const vote = { ...proposal, type: 'pre-prepare' as const };
    messages.push({ type: 'pre-prepare', vote, batch: batch.bytes });
  }
  return messages;
}
