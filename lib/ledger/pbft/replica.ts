import { unreachable } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { bodyOf, onFetch } from './bodies.ts';
import { onOwnSeal, onSeal } from './checkpoints.ts';
import { genesisState } from './genesis.ts';
import { onBody } from './late-bodies.ts';
import type { Heartbeat } from './messages/link-messages.ts';
import { decodeMessage, type Message } from './messages/message.ts';
import type { PrePrepare } from './messages/pre-prepare.ts';
import { onFetchParts, onFetchState } from './giving.ts';
import { beginView, onNewView, takeOver } from './new-view.ts';
import { takeStored } from './persist.ts';
import { onPrePrepare, takeProposal } from './pre-prepare.ts';
import { onParts, onState } from './receiving.ts';
import { onRequest } from './requests.ts';
import { restarted } from './restart.ts';
import { onStatus } from './status.ts';
import {
  inWindow,
  memberId,
  met,
  primaryOf,
  send,
  slotAt,
  update,
  type ReplicaState,
  type Turn,
} from './state.ts';
import { onTick } from './timers.ts';
import type { Effect, Environment, Link, Now, ReplicaEvent } from './types.ts';
import { keepViewChange, onViewChange } from './view-change.ts';
import { countVote, onVote } from './votes.ts';

export type { ReplicaState } from './state.ts';

/** A replica that has never signed anything, at the genesis. One that has begins by `restart`. */
export const createReplica = (env: Environment, now: Now): ReplicaState => genesisState(env, now);

/** One event, at one instant. Returns `state` itself where nothing changed. */
export function stepReplica(
  state: ReplicaState,
  event: ReplicaEvent,
  now: Now,
): [ReplicaState, readonly Effect[]] {
  const turn: Turn = { state, out: [], now };
  switch (event.type) {
    case 'message':
      onBytes(turn, event.bytes, event.link);
      break;
    case 'tick':
      onTick(turn);
      break;
    case 'stored':
      onStored(turn, event.id);
      break;
    case 'restart':
      restarted(turn, event.image);
      break;
    default:
      return unreachable(event);
  }
  return [turn.state, turn.out];
}

/** Nothing happens for bytes that do not decode, or that this link may not carry. */
function onBytes(turn: Turn, bytes: Uint8Array, link: Link): void {
  const message = decodeMessage(bytes);
  if (isFault(message)) met(turn, 'R2 bytes do not decode');
  else if (!mayCarry(turn.state, message, link)) met(turn, 'R4 a link may not carry it');
  else onMessage(turn, message, link);
}

/**
 * Clients carry requests; any replica's link questions; a member's what proves itself or is signed by
 * that member. Proposals and NEW-VIEWs are passed on by others: their signature says whose they are.
 */
function mayCarry({ constitution }: ReplicaState, message: Message, link: Link): boolean {
  if (message.type === 'request') return true;
  if (link.kind === 'client') return false;
  switch (message.type) {
    case 'status':
    case 'fetch':
    case 'fetch-state':
    case 'state':
    case 'fetch-parts':
    case 'parts':
      return true;
    case 'prepare':
    case 'commit':
    case 'seal':
    case 'view-change':
      return constitution.members[message.replica]?.id === link.id;
    default:
      return constitution.members.some(({ id }) => id === link.id);
  }
}

function onMessage(turn: Turn, message: Message, link: Link): void {
  switch (message.type) {
    case 'request':
      onRequest(turn, message.request, link);
      return;
    case 'pre-prepare':
      onPrePrepare(turn, message);
      return;
    case 'prepare':
    case 'commit':
      onVote(turn, message);
      return;
    case 'seal':
      onSeal(turn, message);
      return;
    case 'view-change':
      onViewChange(turn, message);
      return;
    case 'new-view':
      onNewView(turn, message);
      return;
    case 'status':
      onStatus(turn, message, link);
      return;
    case 'heartbeat':
      onHeartbeat(turn, message, link);
      return;
    case 'fetch':
      onFetch(turn, message.digest, link);
      return;
    case 'body':
      onBody(turn, message.batch);
      return;
    case 'fetch-state':
      onFetchState(turn, message, link);
      return;
    case 'state':
      onState(turn, message, link);
      return;
    case 'fetch-parts':
      onFetchParts(turn, message, link);
      return;
    case 'parts':
      onParts(turn, message, link);
      return;
    default:
      unreachable(message);
  }
}

function onHeartbeat(turn: Turn, { epoch, view }: Heartbeat, link: Link): void {
  const { state } = turn;
  if (epoch !== state.constitution.epoch || view !== state.view) return;
  if (memberId(state, primaryOf(state, view)) === link.id) update(turn, { heardAt: turn.now.atMs });
}

function onStored(turn: Turn, id: number): void {
  for (let own = takeStored(turn, id); own !== null; own = takeStored(turn, id)) onOwn(turn, own);
}

/** Our own message, now that it is on disk: it leaves, and counts. */
function onOwn(turn: Turn, message: Message): void {
  met(turn, 'R10 an own message leaves once it is stored');
  send(turn, 'all', message);
  switch (message.type) {
    case 'pre-prepare':
      onOwnProposal(turn, message);
      return;
    case 'prepare':
    case 'commit':
      if (message.epoch === turn.state.constitution.epoch) countVote(turn, message);
      return;
    case 'view-change':
      if (message.epoch === turn.state.constitution.epoch) keepViewChange(turn, message);
      return;
    case 'seal':
      onOwnSeal(turn, message);
      return;
    case 'new-view':
      if (message.view !== turn.state.view || turn.state.phase.kind === 'active') return;
      takeOver(turn, message);
      if (turn.state.constitution.epoch === message.epoch) beginView(turn);
      return;
    default:
      return;
  }
}

function onOwnProposal(turn: Turn, { vote, batch }: PrePrepare): void {
  const { state } = turn;
  if (vote.epoch !== state.constitution.epoch || vote.view !== state.view) return;
  if (state.phase.kind !== 'active' || !inWindow(state, vote.sequence)) return;
  if (slotAt(state, vote.sequence).proposal !== null) return;
  const checked = bodyOf(state, vote.digest) ?? state.env.application.checkBatch(batch);
  if (checked !== null) takeProposal(turn, vote, checked);
}
