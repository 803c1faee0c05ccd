import { must } from '#lib/kernel/assert.ts';
import type { RunResult, RunSegment, StageInput } from '../types.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import { looksAtAnswer } from '#lib/webgpu/sampling/params.ts';
import { appendRows } from './kept-rows.ts';
import { voidKv } from './kv.ts';
import { nameWhole } from './prefix.ts';
import { giveBack, trimKept } from './room.ts';
import { pump, sendChunkAck } from './send.ts';
import { learnStep } from './step-times.ts';
import {
  emptyFlow,
  fault,
  isLast,
  report,
  tellOwner,
  type Running,
  type Seat,
  type Turn,
} from './state.ts';

/** Ends the run in flight: KV orders that waited for it go first. Null where it is not that run. */
function closeRun(turn: Turn, run: number): Running | null {
  const { running } = turn.core;
  if (running?.run !== run) return null;
  turn.core.running = null;
  turn.out.push(...running.after);
  return running;
}

/** The seat a segment was for; null where a newer epoch, an end or a roll-back made it void (S5). */
function seatOf(turn: Turn, running: Running, at: number): Seat | null {
  const segment = must(running.segments[at], 'an answer a segment');
  const session = turn.core.sessions.get(segment.session);
  const seat = session?.seats.find((candidate) => candidate.slot === segment.place);
  return seat && seat.flow === running.flows[at] ? seat : null;
}

export function onRunDone(turn: Turn, done: Extract<StageInput, { type: 'run-done' }>): void {
  const { results } = done;
  const running = closeRun(turn, done.run);
  if (!running) return;
  const times = turn.core.shards.get(running.shard)?.times;
  if (times) learnStep(times, running.load, done.ms);
  for (const [at, segment] of running.segments.entries()) {
    const seat = seatOf(turn, running, at);
    if (seat) onRows(turn, seat, { segment, result: must(results[at], 'a result a segment') });
  }
  trimKept(turn);
}

function onRows(turn: Turn, seat: Seat, done: { segment: RunSegment; result: RunResult }): void {
  const { segment, result } = done;
  const { flow } = seat;
  const { resumeAt } = seat.session.prepare;
  seat.kvLength += segment.rows;
  if (!isLast(seat)) {
    appendRows(seat.kept, must(result.hidden, 'rows were wanted'), segment.rows);
  }
  if (flow.nextId && flow.nextId.position < seat.kvLength) flow.nextId = null;
  flow.prefillMs = 0;
  const isFill = segment.firstPosition < resumeAt;
  const frame = flow.inbox[0];
  if (frame && frame.firstPosition + frame.rows <= seat.kvLength) {
    flow.inbox.shift();
    flow.framesDone += 1;
    if (isFill) sendChunkAck(turn, seat);
  }
  if (isFill) {
    nameWhole(turn, seat);
    report(turn, seat);
  }
  if (result.sampledId !== null) onSampled(turn, seat, { ...result, id: result.sampledId });
  pump(turn, seat);
}

/** A new token goes to the owner and to stage 0; EOS and max tokens end here (S7, S8). */
function onSampled(
  turn: Turn,
  seat: Seat,
  { id, logprobs }: { readonly id: number; readonly logprobs?: TokenLogprobs },
): void {
  const { flow, session } = seat;
  const { promptLength, resumeAt, eosIds, maxTokens, epoch } = session.prepare;
  const position = seat.kvLength;
  const index = position - promptLength;
  const last = eosIds.includes(id) || index + 1 >= maxTokens;
  const { place } = seat;
  const token = {
    type: 'token',
    session: session.id,
    epoch,
    place,
    index,
    id,
    last,
    ...(logprobs && { logprobs }),
  } as const;
  turn.core.tokensSampled += 1;
  flow.unacked.push(token);
  flow.sampledTo = position + 1;
  // By position: rows that a peer sends again are sampled again (S3).
  if (looksAtAnswer(session.prepare)) flow.sampledIds[position - resumeAt - 1] = id;
  tellOwner(turn, token);
  if (!last) flow.tokenOut = { position, id };
}

export function onRunFailed(turn: Turn, input: Extract<StageInput, { type: 'run-failed' }>): void {
  const running = closeRun(turn, input.run);
  if (!running) return;
  const seats = running.segments.flatMap((segment, at) => {
    const seat = seatOf(turn, running, at);
    // As far as the engine may have come: what it left is cut off.
    if (seat) seat.kvLength += segment.rows;
    return seat ?? [];
  });
  for (const seat of seats) {
    if (input.why === 'no-room') giveBack(turn, seat.session);
    else discard(turn, seat);
  }
}

/** What the engine left in the KV is not known: the seat starts from nothing in the next epoch. */
function discard(turn: Turn, seat: Seat): void {
  fault(turn, seat, 'engine');
  voidKv(turn, seat);
  seat.flow = { ...emptyFlow(seat.session.prepare.resumeAt), faulted: true };
}
