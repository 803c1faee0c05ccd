import { RING } from '#lib/shard/wire/limits.ts';
import { guess, noteId, openBook } from './draft-book.ts';
import {
  beginRound,
  costOfDraft,
  endRound,
  howMany,
  newPace,
  type CostGuess,
  type DraftPace,
} from './draft-pace.ts';
import type { Guesser } from './guesser.ts';
import { STAGE } from './limits.ts';
import { allSeats, isDecoding, type Seat, type Turn } from './state.ts';
import { loadOf, predictMs } from './step-times.ts';

/**
 * Speculation without a second model. The last place guesses what it will sample next: it is the
 * first to know each id, and the guess rides to stage 0 on the frame that has to go there anyway. The
 * rows of a token and its drafts come round as one step, each is sampled by its own index (S8), and
 * the drafts that equal what was sampled before them stand. What follows the first that differs is
 * cut off like any row below which a frame begins (S3).
 */

/** Drafts that stand at the rows after `firstPosition`; none where those are of another step. */
export const draftsAfter = ({ flow }: Seat, firstPosition: number): readonly number[] =>
  flow.drafts.position === firstPosition + 1 ? flow.drafts.ids : [];

/** More rows cost a processor half of the first, and the others as much a layer as this one. */
const DRAFT_COST_SHARE = 0.5;

/** A step was sampled at `firstPosition`: these ids count, of so many rows. */
export function noteSampled(
  turn: Turn,
  seat: Seat,
  { firstPosition, ids, rows }: { firstPosition: number; ids: readonly number[]; rows: number },
): void {
  const { prepare } = seat.session;
  if (prepare.draftsMax === 0) return;
  const guesser = guesserOf(turn, seat);
  for (const [row, id] of ids.entries()) {
    // One that is sampled again is known already.
    if (firstPosition + row !== prepare.resumeAt + guesser.noted) continue;
    noteId(guesser.book, id);
    guesser.noted += 1;
  }
  endRound(guesser.pace, turn.now, { tried: rows - 1, stood: ids.length - 1 });
  if (rows > 1) rememberCost(turn, seat, guesser.pace);
}

/** What may come after the token just sampled at `position`, for the frame that brings it to stage 0. */
export function draftAfter(turn: Turn, seat: Seat, position: number): readonly number[] {
  const { flow, session } = seat;
  const { promptLength, maxTokens, draftsMax } = session.prepare;
  if (draftsMax === 0) return [];
  // What is sampled in one step must fit before the owner's next ack, and before the answer's end.
  const room = Math.min(
    draftsMax,
    RING.unackedTokensMax - flow.unacked.length - 1,
    promptLength + maxTokens - position - 2,
  );
  const { book, pace } = guesserOf(turn, seat);
  const found = guess(book, room);
  const context = found?.context ?? 0;
  const sessions = sessionsBeside(turn, seat);
  const most = found?.ids.length ?? 0;
  const isAlways = turn.core.options.drafting === 'always';
  const count = isAlways ? most : howMany(pace, { context, most, sessions });
  const ids = found?.ids.slice(0, count) ?? [];
  beginRound(pace, { at: turn.now, drafts: count, context, sessions });
  flow.drafts = { position: position + 1, ids };
  return ids;
}

function sessionsBeside({ core }: Turn, { shard }: Seat): number {
  let sessions = 0;
  for (const seat of allSeats(core)) if (seat.shard === shard && isDecoding(seat)) sessions += 1;
  return Math.max(1, sessions);
}

function guesserOf(turn: Turn, seat: Seat): Guesser {
  const { flow, session } = seat;
  if (flow.guesser) return flow.guesser;
  const pace = newPace(guessCost(turn, seat));
  flow.guesser = { book: openBook(session.prepare.ids), pace, noted: 0 };
  return flow.guesser;
}

function guessCost({ core }: Turn, seat: Seat): CostGuess {
  const { shard, range, kvLength } = seat;
  const known = core.shards.get(shard);
  const ownMs = known ? predictMs(known.times, loadOf(kvLength, 1)) : 0;
  const ownShare = (range.last + 1 - range.first) / (range.last + 1);
  const ms = (DRAFT_COST_SHARE * ownMs) / ownShare;
  const seen = known?.draftCosts.get(routeOf(seat));
  if (!seen) return { kind: 'thought', ms };
  const { ofRound, trust } = seen;
  seen.trust *= STAGE.draftTrustKept;
  return { kind: 'seen', ofRound, trust, ms };
}

/** What a draft costs is the route's, not the answer's: the next one need not find it out again. */
function rememberCost({ core }: Turn, seat: Seat, pace: DraftPace): void {
  const costs = core.shards.get(seat.shard)?.draftCosts;
  const cost = costOfDraft(pace);
  if (!costs || cost === null) return;
  costs.delete(routeOf(seat));
  costs.set(routeOf(seat), { ofRound: cost, trust: 1 });
  const [oldest] = costs.keys();
  if (costs.size > STAGE.draftCostsMax && oldest !== undefined) costs.delete(oldest);
}

const routeOf = ({ session }: Seat): string =>
  session.prepare.route.map(({ node, range }) => `${node}/${range.last}`).join();
