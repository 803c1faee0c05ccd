import { must } from '#lib/kernel/assert.ts';
import type { NodeId, Place } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { copyRows } from './kept-rows.ts';
import { dtypeAt, rowsAlike } from './row-dtype.ts';
import { fault, isLast, type Seat, type Turn } from './state.ts';

/** The node at the end of a hop, and whether a path of the kind the route names is open. */
interface Hop {
  readonly to: NodeId;
  readonly open: boolean;
}

/** `path` is told by the place that rows leave; acks go back over the same link. */
function hopTo(turn: Turn, seat: Seat, places: { to: Place; pathOf: Place }): Hop {
  const { route } = seat.session.prepare;
  const to = must(route[places.to], 'a hop ends in the route').node;
  const path = must(route[places.pathOf], 'a hop begins in the route').path;
  const link = turn.core.links.get(to);
  const open = to === turn.core.self || (link !== undefined && serves(link, path));
  return { to, open };
}

/** A relayed hop has its reason (V1): it never uses the direct link. */
const serves = (link: 'direct' | 'relay', path: 'direct' | 'relay'): boolean =>
  path === 'direct' || link === 'relay';

/** The hop that leaves a seat: to the next place, or from the last one to stage 0. */
function outward(turn: Turn, seat: Seat): Hop {
  const to = isLast(seat) ? 0 : seat.place + 1;
  return hopTo(turn, seat, { to, pathOf: seat.place });
}

function send(turn: Turn, to: NodeId, frame: Frame): void {
  if (to === turn.core.self) turn.local.push(frame);
  else turn.out.push({ type: 'frame', to, frame });
}

/**
 * Sends what is due and may go: kept rows from `sendFrom` on, two un-acked chunks at most below L
 * (S12); a token from the last place. Without a link it waits, for the rows are kept anyway.
 */
export function pump(turn: Turn, seat: Seat): void {
  const { to, open } = outward(turn, seat);
  if (!open) return;
  if (isLast(seat)) {
    sendToken(turn, seat, to);
    return;
  }
  const { flow } = seat;
  const { resumeAt, chunkRows } = seat.session.prepare;
  while (flow.sendFrom < seat.kvLength) {
    const isFill = flow.sendFrom < resumeAt;
    if (isFill && flow.chunksSent - flow.chunksAcked >= RING.unackedChunksMax) return;
    const ready = Math.min(seat.kvLength, resumeAt) - flow.sendFrom;
    // What a step computed goes on as one step.
    const step = seat.kvLength - flow.sendFrom;
    if (!isFill) flow.stepSent = flow.sendFrom;
    const rows = isFill ? Math.min(chunkRows, ready) : step;
    sendRows(turn, seat, { to, rows: rowsAlike(seat.session.prepare, flow.sendFrom, rows) });
    if (isFill) flow.chunksSent += 1;
  }
}

function sendRows(turn: Turn, seat: Seat, what: { to: NodeId; rows: number }): void {
  const { flow, kept, session } = seat;
  const { prepare } = session;
  send(turn, what.to, {
    type: 'rows',
    session: session.id,
    epoch: prepare.epoch,
    place: seat.place + 1,
    seq: flow.outSeq,
    firstPosition: flow.sendFrom,
    rows: what.rows,
    width: kept.width,
    dtype: dtypeAt(prepare, flow.sendFrom),
    data: copyRows(kept, flow.sendFrom, what.rows),
  });
  flow.outSeq += 1;
  flow.sendFrom += what.rows;
}

function sendToken(turn: Turn, seat: Seat, to: NodeId): void {
  const { flow, session } = seat;
  if (!flow.tokenOut) return;
  const { epoch } = session.prepare;
  const token = { type: 'token', session: session.id, epoch, place: 0 } as const;
  send(turn, to, { ...token, seq: flow.outSeq, ...flow.tokenOut });
  flow.outSeq += 1;
  flow.tokenOut = null;
}

/** Rows frames of this hop computed so far, back to the place that sent them (S12). */
export function sendChunkAck(turn: Turn, seat: Seat): void {
  const upstream = seat.place - 1;
  const { to, open } = hopTo(turn, seat, { to: upstream, pathOf: upstream });
  if (!open) return;
  const { id, prepare } = seat.session;
  send(turn, to, {
    type: 'chunk-ack',
    session: id,
    epoch: prepare.epoch,
    place: upstream,
    taken: seat.flow.framesDone,
  });
}

/**
 * One past the last position given to the hop; of a step of several rows, past its first, for what
 * follows may be cut off again (V1). Without a link all that is computed counts:
 * then it is the link that does not work, not this node.
 */
export function sentTo(turn: Turn, seat: Seat): number {
  if (isLast(seat)) return seat.flow.sampledTo;
  const { sendFrom, stepSent } = seat.flow;
  const sent = stepSent === null ? sendFrom : stepSent + 1;
  if (outward(turn, seat).open || sendFrom >= seat.kvLength) return sent;
  const isFill = sendFrom < seat.session.prepare.resumeAt;
  return isFill ? seat.kvLength : sendFrom + 1;
}

/** A link of the route closed: both ends say so, also when it opened again at once (S4). */
export function onLinkClosed(turn: Turn, peer: NodeId): void {
  const link = turn.core.links.get(peer);
  turn.core.links.delete(peer);
  if (!link) return;
  for (const session of turn.core.sessions.values()) {
    for (const seat of session.seats) if (uses(seat, peer, link)) fault(turn, seat, 'link-closed');
  }
}

export function onLinkOpen(turn: Turn, peer: NodeId, path: 'direct' | 'relay'): void {
  // Opened over an open one: what was in flight on that is lost.
  onLinkClosed(turn, peer);
  turn.core.links.set(peer, path);
  for (const session of turn.core.sessions.values()) {
    for (const seat of session.seats) pump(turn, seat);
  }
}

function uses(seat: Seat, peer: NodeId, link: 'direct' | 'relay'): boolean {
  const { route } = seat.session.prepare;
  const places = route.length;
  const upstream = route[(seat.place + places - 1) % places];
  const own = route[seat.place];
  const next = route[(seat.place + 1) % places];
  const isIn = upstream?.node === peer && serves(link, upstream.path);
  const isOut = next?.node === peer && own !== undefined && serves(link, own.path);
  return isIn || isOut;
}
