import { unreachable } from '#lib/kernel/assert.ts';
import type { OwnerMessage } from '#lib/shard/wire/session-messages.ts';
import { fenceOff } from './ending.ts';
import { cutKv } from './kv.ts';
import { nameAnswer } from './prefix.ts';
import { onPrepare } from './prepare.ts';
import { pump } from './send.ts';
import { fault, prefillAhead, type Seat, type Session, type Turn } from './state.ts';

type Fill = Extract<OwnerMessage, { type: 'fill' }>;
type Handover = Extract<OwnerMessage, { type: 'handover' }>;
type Ack = Extract<OwnerMessage, { type: 'ack' }>;

/** The owner's word. Orders of another epoch than the open one are void (S2). */
export function onOwnerMessage(turn: Turn, message: OwnerMessage): void {
  switch (message.type) {
    case 'prepare': {
      onPrepare(turn, message);
      return;
    }
    case 'fill': {
      inEpoch(turn, message, (session) => {
        for (const seat of session.seats) onFill(turn, seat, message);
      });
      return;
    }
    case 'handover': {
      inEpoch(turn, message, (session) => {
        onHandover(turn, session, message);
      });
      return;
    }
    case 'ack': {
      inEpoch(turn, message, (session) => {
        onAck(session, message);
      });
      return;
    }
    case 'keepalive': {
      inEpoch(turn, message, () => undefined);
      return;
    }
    case 'release': {
      fenceOff(turn, message.session, message.epoch);
      return;
    }
    case 'end': {
      nameAnswer(turn, message);
      fenceOff(turn, message.session, Infinity);
      return;
    }
    default:
      return unreachable(message);
  }
}

function inEpoch(
  turn: Turn,
  message: Fill | Handover | Ack | Extract<OwnerMessage, { type: 'keepalive' }>,
  apply: (session: Session) => void,
): void {
  const session = turn.core.sessions.get(message.session);
  if (session?.prepare.epoch !== message.epoch) return;
  session.heardAt = turn.now;
  if (session.room === 'kept') apply(session);
}

/** Where each place computes from (S5). Rows that a gap needs and that are gone are a doubt. */
function onFill(turn: Turn, seat: Seat, message: Fill): void {
  const { flow, session } = seat;
  const { resumeAt } = session.prepare;
  const start = message.starts[seat.place] ?? resumeAt;
  const next = message.starts[seat.place + 1] ?? resumeAt;
  if (flow.filled) return;
  flow.filled = true;
  // Frames that overtook this order have cut the KV themselves (S3).
  if (flow.inSeq === 0) {
    cutKv(turn, seat, start);
    flow.takenTo = seat.place === 0 ? resumeAt : start;
  }
  // Nothing to send below L. The order may come late then: the token's row may have gone already.
  if (next >= resumeAt) return;
  if (next < seat.kvLength && next < seat.kept.from) {
    fault(turn, seat, 'position-gap');
    return;
  }
  flow.sendFrom = next;
  pump(turn, seat);
}

/** Stage 0 takes one hand-over an epoch (S4). */
function onHandover(turn: Turn, session: Session, message: Handover): void {
  const seat = session.seats.find((candidate) => candidate.place === 0);
  if (!seat || seat.flow.handedOver) return;
  const { position, id } = message;
  if (position !== seat.kvLength || position !== session.prepare.resumeAt) {
    fault(turn, seat, 'position-gap');
    return;
  }
  seat.flow.handedOver = true;
  seat.flow.next = { position, ids: [id] };
  seat.flow.takenTo = position + 1;
  seat.flow.prefillMs = prefillAhead(turn);
}

/** The owner's cumulative count: what it has, the last place need not keep (S7). */
function onAck(session: Session, message: Ack): void {
  for (const { flow } of session.seats) {
    flow.unacked = flow.unacked.filter((token) => token.index >= message.accepted);
  }
}
