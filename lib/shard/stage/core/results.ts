import { must } from '#lib/kernel/assert.ts';
import type { RunResult, RunSegment, StageInput } from '../types.ts';
import { looksAtAnswer } from '#lib/webgpu/sampling/params.ts';
import type { Sampled } from '#lib/webgpu/stage.ts';
import { draftAfter, draftsAfter, noteSampled } from './drafts.ts';
import { appendRows } from './kept-rows.ts';
import { voidKv } from './kv.ts';
import { nameWhole } from './prefix.ts';
import { giveBack, trimKept } from './room.ts';
import { pump, sendChunkAck } from './send.ts';
import { learnStep, predictMs, surpriseAfter } from './step-times.ts';
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
  turn.core.restsSince = turn.now;
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
  const shard = turn.core.shards.get(running.shard);
  if (shard) {
    const { times, load } = running;
    shard.surprise = surpriseAfter(shard.surprise, predictMs(times, load), done.ms);
    learnStep(times, load, done.ms);
  }
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
  if (flow.next && flow.next.position < seat.kvLength) flow.next = null;
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
  if (result.sampled.length > 0) onSampled(turn, seat, { ...result, ...segment });
  pump(turn, seat);
}

/**
 * New tokens go to the owner, the last of them to stage 0 with what may follow; EOS and max tokens
 * end here (S7, S8). `sampled` has an id for each row of a step: one counts where all drafts before it
 * are what was sampled. The rows after it go when the next frame begins below them (S3).
 */
function onSampled(
  turn: Turn,
  seat: Seat,
  { firstPosition, sampled }: Pick<RunSegment, 'firstPosition'> & Pick<RunResult, 'sampled'>,
): void {
  const count = countStanding(sampled, draftsAfter(seat, firstPosition));
  const said = sampled.slice(0, count);
  const ends = said.findIndex(({ id }, row) => isEnd(seat, firstPosition + row + 1, id));
  const told = ends < 0 ? said : said.slice(0, ends + 1);
  for (const [row, next] of told.entries())
    tellToken(turn, seat, { ...next, position: firstPosition + row + 1 });
  const ids = told.map(({ id }) => id);
  noteSampled(turn, seat, { firstPosition, ids, rows: sampled.length });
  const last = ids.at(-1);
  if (ends >= 0 || last === undefined) return;
  const position = firstPosition + ids.length;
  seat.flow.tokenOut = { position, id: last, drafts: draftAfter(turn, seat, position) };
}

/** Ids of a step up to the first that is not what was guessed, with that one. */
function countStanding(sampled: readonly Sampled[], drafts: readonly number[]): number {
  const differs = sampled.findIndex(({ id }, row) => id !== drafts[row]);
  return differs < 0 ? sampled.length : differs + 1;
}

function isEnd({ session }: Seat, position: number, id: number): boolean {
  const { promptLength, eosIds, maxTokens } = session.prepare;
  return eosIds.includes(id) || position - promptLength + 1 >= maxTokens;
}

function tellToken(
  turn: Turn,
  seat: Seat,
  { position, id, logprobs }: Sampled & { readonly position: number },
): void {
  const { flow, session, place } = seat;
  const { promptLength, resumeAt, epoch } = session.prepare;
  const token = {
    type: 'token',
    session: session.id,
    epoch,
    place,
    index: position - promptLength,
    id,
    last: isEnd(seat, position, id),
    ...(logprobs && { logprobs }),
  } as const;
  turn.core.tokensSampled += 1;
  flow.unacked.push(token);
  flow.sampledTo = position + 1;
  // By position: rows that a peer sends again are sampled again (S3).
  if (looksAtAnswer(session.prepare)) flow.sampledIds[position - resumeAt - 1] = id;
  tellOwner(turn, token);
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
