import { unreachable } from '#lib/kernel/assert.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { ChunkAckFrame, Frame, RowsFrame, TokenFrame } from '#lib/shard/wire/frame.ts';
import { allFinite } from '#lib/shard/wire/row-values.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { draftsAfter } from './drafts.ts';
import { holdFrame } from './held.ts';
import { cutKv } from './kv.ts';
import { dtypeAt, rowsAlike } from './row-dtype.ts';
import { pump } from './send.ts';
import { allSeats, emptyFlow, fault, isLast, prefillAhead, type Seat, type Turn } from './state.ts';

/**
 * Takes a frame only if the session is open, the epoch current, the link's peer the sender's place
 * in that route and seq the next (S2, M4). Late ones are dropped and counted, never held against
 * the peer; early ones wait.
 */
export function onFrame(turn: Turn, from: NodeId, frame: Frame): void {
  const { core } = turn;
  const fence = core.fences.get(frame.session);
  if (fence && frame.epoch <= fence.epoch) {
    dropFrame(turn);
    return;
  }
  const session = core.sessions.get(frame.session);
  if (!session || frame.epoch > session.prepare.epoch) {
    holdFrame(turn, from, frame);
    return;
  }
  if (frame.epoch < session.prepare.epoch || session.room !== 'kept') {
    dropFrame(turn);
    return;
  }
  const seat = session.seats.find((candidate) => candidate.place === frame.place);
  const sender = session.prepare.route[senderOf(frame, session.prepare.route.length)];
  if (!seat || sender?.node !== from) {
    reject(turn, from, 'not its place in the route');
    return;
  }
  switch (frame.type) {
    case 'rows': {
      takeRows(turn, seat, frame);
      return;
    }
    case 'token': {
      takeToken(turn, seat, frame);
      return;
    }
    case 'chunk-ack': {
      takeAck(turn, seat, frame);
      return;
    }
    default:
      return unreachable(frame);
  }
}

/** The place that may send this frame: −1, which is none, where its kind does not fit its place. */
function senderOf(frame: Frame, places: number): number {
  switch (frame.type) {
    case 'rows':
      return frame.place - 1;
    case 'token':
      return frame.place === 0 ? places - 1 : -1;
    case 'chunk-ack':
      return frame.place + 1;
    default:
      return unreachable(frame);
  }
}

function takeRows(turn: Turn, seat: Seat, frame: RowsFrame): void {
  const { prepare } = seat.session;
  const peer = prepare.route[frame.place - 1]?.node;
  if (!isNext(turn, seat, frame.seq)) return;
  const end = frame.firstPosition + frame.rows;
  const isFill = frame.firstPosition < prepare.resumeAt;
  const fits = isFill
    ? end <= prepare.resumeAt && frame.rows <= prepare.chunkRows
    : frame.rows <= 1 + draftsDue(seat, frame.firstPosition);
  if (!fits || end > prepare.promptLength + prepare.maxTokens) {
    refuse(turn, seat, { peer, why: 'position-gap' });
    return;
  }
  if (!isAgreed(prepare, frame)) {
    refuse(turn, seat, { peer, why: 'unfit' });
    return;
  }
  if (!allFinite(frame.data)) {
    refuse(turn, seat, { peer, why: 'not-finite' });
    return;
  }
  if (!rollBack(turn, seat, frame.firstPosition)) {
    fault(turn, seat, 'position-gap');
    return;
  }
  const { flow } = seat;
  flow.inbox.push(frame);
  flow.inSeq += 1;
  flow.takenTo = isFill ? end : frame.firstPosition + 1;
  if (!isFill) flow.prefillMs = prefillAhead(turn);
  seat.session.heardAt = turn.now;
}

/** Its rows travelled as the route says (S9). */
const isAgreed = (prepare: Prepare, { dtype, firstPosition, rows }: RowsFrame): boolean =>
  dtype === dtypeAt(prepare, firstPosition) && rows === rowsAlike(prepare, firstPosition, rows);

/** How many drafts may follow the token of a step: the last place knows which it guessed. */
const draftsDue = (seat: Seat, firstPosition: number): number =>
  isLast(seat) ? draftsAfter(seat, firstPosition).length : seat.session.prepare.draftsMax;

function takeToken(turn: Turn, seat: Seat, frame: TokenFrame): void {
  if (!isNext(turn, seat, frame.seq)) return;
  const { position, id, drafts } = frame;
  const { resumeAt, promptLength, maxTokens, draftsMax, route } = seat.session.prepare;
  if (drafts.length > draftsMax || position + drafts.length >= promptLength + maxTokens) {
    refuse(turn, seat, { peer: route.at(-1)?.node, why: 'position-gap' });
    return;
  }
  const isEarly = position <= resumeAt || seat.flow.next !== null;
  if (isEarly || !rollBack(turn, seat, position)) {
    fault(turn, seat, 'position-gap');
    return;
  }
  seat.flow.next = { position, ids: [id, ...drafts] };
  seat.flow.inSeq += 1;
  seat.flow.takenTo = position + 1;
  seat.flow.prefillMs = prefillAhead(turn);
  seat.session.heardAt = turn.now;
}

/** Opens the window (S12). Acks are cumulative, so a doubled or overtaken one says nothing new. */
function takeAck(turn: Turn, seat: Seat, frame: ChunkAckFrame): void {
  const { flow } = seat;
  flow.chunksAcked = Math.max(flow.chunksAcked, Math.min(frame.taken, flow.chunksSent));
  seat.session.heardAt = turn.now;
  pump(turn, seat);
}

/** Lower seq: late or doubled. Higher: something was lost, and only the owner may mend it (S2). */
function isNext(turn: Turn, seat: Seat, seq: number): boolean {
  if (seq === seat.flow.inSeq) return true;
  dropFrame(turn);
  if (seq > seat.flow.inSeq) fault(turn, seat, 'seq-gap');
  return false;
}

/**
 * Makes `first` the next position: a frame below the end cuts KV, kept rows and queue to it (S3).
 * @returns false where `first` lies past the end: rows are missing in between.
 */
function rollBack(turn: Turn, seat: Seat, first: number): boolean {
  // Its fill cannot have begun: nobody knows yet what it has.
  if (seat.sharing) return false;
  const { inbox, filled } = seat.flow;
  const { resumeAt } = seat.session.prepare;
  const last = inbox.at(-1);
  const end = last ? last.firstPosition + last.rows : seat.kvLength;
  if (first >= end) return first === end;
  // A new flow makes the run in flight void; what it appends is cut off.
  seat.flow = { ...seat.flow, inbox: inbox.flatMap((frame) => rowsBelow(frame, first)) };
  // Below L the fill order alone says what is sent, and it may still be on its way.
  if (filled || first >= resumeAt) seat.flow.sendFrom = Math.min(seat.flow.sendFrom, first);
  cutKv(turn, seat, first);
  return true;
}

/** What of a frame that waits still counts once another begins at `first`. */
function rowsBelow(frame: RowsFrame, first: number): readonly RowsFrame[] {
  const rows = first - frame.firstPosition;
  if (rows >= frame.rows) return [frame];
  return rows > 0 ? [{ ...frame, rows, data: frame.data.subarray(0, rows * frame.width) }] : [];
}

/**
 * Refuses what the engine would trap on: rows of another width, an id outside the vocabulary. Seen
 * before a run and not on arrival, for a first epoch's rows may be here before the shard is (S5).
 */
export function refuseUnfit(turn: Turn): void {
  for (const seat of allSeats(turn.core)) {
    const { flow, session, place } = seat;
    const limits = turn.core.shards.get(seat.shard)?.limits;
    const frame = flow.inbox[0];
    const isUnfit =
      limits &&
      ((frame && frame.width !== limits.rowWidth) ||
        (flow.next?.ids.some((id) => id >= limits.vocab) ?? false));
    if (!isUnfit) continue;
    const { route, resumeAt } = session.prepare;
    seat.flow = { ...emptyFlow(resumeAt), faulted: flow.faulted };
    refuse(turn, seat, { peer: route.at(place - 1)?.node, why: 'unfit' });
  }
}

interface Refusal {
  readonly peer: NodeId | undefined;
  readonly why: 'position-gap' | 'not-finite' | 'unfit';
}

function refuse(turn: Turn, seat: Seat, found: Refusal): void {
  if (found.peer !== undefined) reject(turn, found.peer, found.why);
  fault(turn, seat, found.why);
}

function reject(turn: Turn, peer: NodeId, why: string): void {
  dropFrame(turn);
  if (peer !== turn.core.self) turn.out.push({ type: 'reject-peer', peer, why });
}

const dropFrame = (turn: Turn): void => {
  turn.core.framesDropped += 1;
};
