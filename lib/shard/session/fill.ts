import { must } from '#lib/kernel/assert.ts';
import type { Place } from '#lib/kernel/ids.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { progressed, setDeadline } from './deadlines.ts';
import {
  sendTo,
  sendToHolders,
  speaksFor,
  update,
  updateRoute,
  type Report,
  type Route,
  type Sender,
  type Turn,
} from './state.ts';

/**
 * Where each place starts to compute (S5). Every place shorter than `resumeAt` is a gap. From the
 * last place up: where the rows that a gap needs were dropped upstream (its kept-from lies above
 * the gap's start), the upstream must compute them again and starts there too.
 * @returns one position a place; `resumeAt` where there is nothing to do.
 */
export function planFill(reports: readonly Report[], resumeAt: number): number[] {
  const starts = reports.map((report) => Math.min(report.kvLength, resumeAt));
  for (let place = starts.length - 1; place > 0; place -= 1) {
    const start = must(starts[place], 'a start a place');
    const upstream = must(reports[place - 1], 'a report a place');
    if (start < resumeAt && upstream.keptFrom > start) {
      starts[place - 1] = Math.min(must(starts[place - 1], 'a start a place'), start);
    }
  }
  return starts;
}

export function onReport(
  turn: Turn,
  from: Sender,
  message: Extract<StageMessage, { type: 'report' }>,
): void {
  const { phase, route } = turn.state;
  if (phase.kind !== 'preparing' && phase.kind !== 'filling') return;
  if (!route || !speaksFor(turn.state, from, message)) return;
  const { place, kvLength, keptFrom } = message;
  if (kvLength > route.resumeAt) return;
  const reports = route.reports.map((report, i) => (i === place ? { kvLength, keptFrom } : report));
  updateRoute(turn, { reports });
  grown(turn, place, kvLength);
  const complete = reports.filter((report) => report !== null);
  if (complete.length < reports.length) return;
  const starts = planFill(complete, route.resumeAt);
  if (phase.kind === 'preparing' && route.epoch === 1) tellHit(turn, starts);
  if (complete.every((report) => report.kvLength === route.resumeAt)) handOver(turn);
  else if (phase.kind === 'preparing') orderFill(turn, starts);
}

/** What no place has to compute of a prompt: the least that one of them starts at. */
function tellHit(turn: Turn, starts: readonly number[]): void {
  const positions = Math.min(...starts);
  if (positions > 0) turn.out.push({ type: 'prefix-hit', positions });
}

/**
 * Growth is what no report of this fill has said before: a place that says 2, 3, 2, 3 … gets no
 * further, and would else be waited for without end (V1).
 */
function grown(turn: Turn, place: Place, kvLength: number): void {
  const route = must(turn.state.route, 'a report belongs to a route');
  const { starts, reached } = route;
  if (!starts || kvLength <= must(reached[place], 'a mark a place')) return;
  updateRoute(turn, { reached: reached.with(place, kvLength) });
  progressed(turn, {
    isRound: kvLength - must(starts[place], 'a start a place') > ackedRows(route),
  });
}

/** More rows than a place can get or compute in an epoch whose acks are lost (S12). */
const ackedRows = (route: Route): number => 2 * RING.unackedChunksMax * route.plan.chunkRows;

/** Tells every holder where each place starts; once an epoch. */
export function orderFill(turn: Turn, starts: readonly number[]): void {
  const route = must(turn.state.route, 'a fill belongs to a route');
  const { session } = turn.state.request;
  update(turn, { phase: { kind: 'filling' } });
  updateRoute(turn, { starts, reached: starts });
  sendToHolders(turn, { type: 'fill', session, epoch: route.epoch, starts: [...starts] });
  setDeadline(turn);
}

/** All places hold KV for the positions below L: stage 0 gets the id at L, once an epoch (S4). */
function handOver(turn: Turn): void {
  const route = must(turn.state.route, 'a hand-over belongs to a route');
  const { request, acceptedIds } = turn.state;
  const position = route.resumeAt;
  const id = must(acceptedIds.at(-1) ?? request.promptIds.at(-1), 'a prompt has an id');
  update(turn, { phase: { kind: 'decoding' } });
  sendTo(turn, must(route.places[0], 'a route has a place'), {
    type: 'handover',
    session: request.session,
    epoch: route.epoch,
    position,
    id,
  });
  setDeadline(turn);
}
