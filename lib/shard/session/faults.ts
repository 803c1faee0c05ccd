import { must, unreachable } from '#lib/kernel/assert.ts';
import type { NodeId, Place } from '#lib/kernel/ids.ts';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { askOther, askRoute, beginEpoch, declare, doubt } from './epochs.ts';
import { complain, countFault } from './put-off.ts';
import { lives, sendTo, speaksFor, update, type Sender, type Turn } from './state.ts';

/** A fault of the current epoch is a new epoch; an older one says nothing (S4). */
export function onFault(
  turn: Turn,
  from: Sender,
  message: Extract<StageMessage, { type: 'fault' }>,
): void {
  const { phase, broken } = turn.state;
  if (phase.kind === 'routing' || !speaksFor(turn.state, from, message)) return;
  if (message.why === 'no-room') {
    // The next epoch waits for that node's `room`, or for another holder (S11).
    update(turn, { vainRooms: turn.state.vainRooms + 1 });
    askRoute(turn, { noRoom: from });
    return;
  }
  if (countFault(turn, from.node)) {
    askOther(turn);
    return;
  }
  switch (message.why) {
    case 'engine':
    case 'load':
      // It says so of itself: once may be chance, twice in a row it does not work (V1).
      if (broken.has(from.node)) {
        declare(turn, from, 'not-working');
        return;
      }
      update(turn, { broken: new Set(broken).add(from.node) });
      doubt(turn, message.why);
      return;
    case 'seq-gap':
    case 'position-gap':
    case 'held-overflow':
    case 'held-expired':
    case 'link-closed':
    case 'expired': {
      doubt(turn, message.why);
      return;
    }
    case 'not-finite':
    case 'unfit': {
      // What a sound engine never sends; which of the two lies cannot be told from here (V3).
      if (complain(turn, from.node, senderTo(turn, message.place))) askOther(turn);
      else doubt(turn, message.why);
      return;
    }
    default:
      return unreachable(message.why);
  }
}

/** Whose frames a place takes: the one before it, or the last. */
const senderTo = ({ state }: Turn, place: Place): NodeId =>
  must(state.route?.places.at(place - 1), 'a place has a sender').node;

/** The node that ran short has pages again: the same route goes on (S11). */
export function onRoom(
  turn: Turn,
  from: Sender,
  message: Extract<StageMessage, { type: 'room' }>,
): void {
  const { phase, route } = turn.state;
  if (phase.kind !== 'routing' || phase.noRoom?.node !== from.node) return;
  if (!speaksFor(turn.state, from, message)) return;
  beginEpoch(turn, must(route, 'room follows a route').plan, 'room again');
}

/** After a socket reconnect the node names its sessions and epochs (S4). */
export function onResync(
  turn: Turn,
  from: Sender,
  message: Extract<StageMessage, { type: 'resync' }>,
): void {
  const { phase, route, request, acceptedIds } = turn.state;
  const { session } = request;
  const named = message.sessions.find((entry) => entry.session === session);
  // Paused, it has lost its place already; the release may have been lost with the socket.
  const holds = lives(turn.state, from) && route?.places.some((place) => place.node === from.node);
  if (!route || !holds) {
    if (named) sendTo(turn, from, { type: 'release', session, epoch: route?.epoch ?? named.epoch });
    return;
  }
  if (phase.kind === 'routing' && phase.noRoom?.node === from.node) {
    // Its `room` may have been lost with the socket, and is told only once (S11).
    beginEpoch(turn, route.plan, 'socket back');
  } else if (named?.epoch === route.epoch && route.proven) {
    sendTo(turn, from, { type: 'ack', session, epoch: route.epoch, accepted: acceptedIds.length });
  } else if (phase.kind !== 'routing') {
    // A wait for a route brings a new epoch by itself.
    doubt(turn, 'socket back');
  }
}
