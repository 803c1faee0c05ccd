import type { OwnerMessage, Prepare } from '#lib/shard/wire/session-messages.ts';
import type { StageInput } from '../types.ts';
import { emptyRows } from './kept-rows.ts';
import { orderKv } from './kv.ts';
import { firstAnswerRow } from './row-dtype.ts';
import { report, type Seat, type Turn } from './state.ts';

/**
 * Pages that sessions share (S3, S5). A seat without KV asks for those of its prompt before it
 * reports. Pages get their names when all their rows were computed of ids that the owner accepted:
 * those below L in a fill, those of the answer at the session's end.
 */

/** @returns whether the report has to wait for the answer. */
export function askShared(turn: Turn, seat: Seat): boolean {
  const { prefix, epoch } = seat.session.prepare;
  if (prefix?.mayHit !== true || seat.kvLength > 0) return false;
  const keys = keysOf(turn, seat, prefix.digests);
  if (keys.length === 0) return false;
  seat.sharing = true;
  orderKv(turn, seat, { op: 'share', epoch, keys });
  return true;
}

/** The answer, unless a newer epoch or an end made it void. */
export function onKvShared(turn: Turn, answer: Extract<StageInput, { type: 'kv-shared' }>): void {
  const { shard, place, epoch, length } = answer;
  const session = turn.core.sessions.get(answer.session);
  const seat = session?.seats.find((each) => each.slot === place && each.shard === shard);
  if (session?.prepare.epoch !== epoch || !seat?.sharing) return;
  seat.sharing = false;
  seat.kvLength = length;
  seat.namedTo = length;
  // Of what it did not compute it has no rows for the next place.
  seat.kept = emptyRows(length, turn.core.options.keptBlockRows);
  report(turn, seat);
}

/** Names the seat's whole pages, as far as `digests` go. */
export function nameWhole(
  turn: Turn,
  seat: Seat,
  digests: readonly string[] = seat.session.prepare.prefix?.digests ?? [],
): void {
  const pagePositions = seat.session.prepare.prefix?.pagePositions ?? 1;
  const firstPage = Math.floor(seat.namedTo / pagePositions);
  const computed = Math.floor(seat.kvLength / pagePositions);
  // Most chunks of a long prompt end no page, and its keys are hundreds of long strings.
  if (computed <= firstPage) return;
  const keys = keysOf(turn, seat, digests);
  const whole = Math.min(computed, keys.length);
  if (whole <= firstPage) return;
  seat.namedTo = whole * pagePositions;
  orderKv(turn, seat, { op: 'keep', firstPage, keys: keys.slice(firstPage, whole) });
}

/** What was computed of accepted ids in the owner's last epoch. Of another epoch nothing is known. */
export function nameAnswer(turn: Turn, end: Extract<OwnerMessage, { type: 'end' }>): void {
  const session = turn.core.sessions.get(end.session);
  if (!end.pages || session?.prepare.epoch !== end.pages.epoch) return;
  const digests = [...(session.prepare.prefix?.digests ?? []), ...end.pages.digests];
  for (const seat of session.seats) nameWhole(turn, seat, digests);
}

/** Of everything that the bits of a page depend on; none where the engine's pages have another size. */
function keysOf(turn: Turn, seat: Seat, digests: readonly string[]): string[] {
  const { prepare } = seat.session;
  const limits = turn.core.shards.get(seat.shard)?.limits;
  if (!limits || limits.pagePositions !== prepare.prefix?.pagePositions) return [];
  const roundings = roundingsBefore(prepare, seat.place);
  const scope = `${seat.shard}/${prepare.numerics}/${roundings}`;
  // Past the prompt's rows the bits depend on where it ended, too.
  const pages = roundings.startsWith('int8')
    ? Math.floor(firstAnswerRow(prepare) / limits.pagePositions)
    : digests.length;
  return digests.slice(0, pages).map((digest) => `${scope}/${digest}`);
}

/** Rows are rounded where they go from node to node: another cut, other bits (S9). */
function roundingsBefore({ route, wireDtype }: Prepare, place: number): string {
  const hops = route.slice(0, place).filter(({ node }, at) => node !== route[at + 1]?.node);
  if (wireDtype === 'f32' || hops.length === 0) return 'f32';
  return `${wireDtype}@${hops.map(({ range }) => range.last).join()}`;
}
