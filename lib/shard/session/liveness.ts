import { must } from '#lib/kernel/assert.ts';
import { later } from '#lib/kernel/units.ts';
import type { Place } from '#lib/kernel/ids.ts';
import type { Progress } from '#lib/shard/wire/session-messages.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import { askOther, declare, doubt, isSuspect, suspect } from './epochs.ts';
import { finish } from './ending.ts';
import { sendToHolders, speaksFor, update, updateRoute, type Sender, type Turn } from './state.ts';
import { findCulprit } from './culprit.ts';
import { avoid } from './put-off.ts';

export function onTick(turn: Turn): void {
  const { state, now } = turn;
  if (state.phase.kind === 'done') return;
  if (now >= later(state.progressAt, TIMES.lostAnswerMs)) {
    const code = state.phase.kind === 'routing' ? 'session/no-cover' : 'session/lost';
    finish(turn, { kind: 'lost', code });
    return;
  }
  if (state.route && now >= state.keepAliveAt) keepAlive(turn, state.route.epoch);
  if (state.phase.kind !== 'routing' && now >= state.workDeadline) onOverdue(turn);
}

/** Keeps the current route's stages from expiring (S10); others are meant to. */
function keepAlive(turn: Turn, epoch: number): void {
  const { session } = turn.state.request;
  update(turn, { keepAliveAt: later(turn.now, TIMES.keepAliveEveryMs) });
  sendToHolders(turn, { type: 'keepalive', session, epoch });
}

/**
 * The next report or token is overdue (V1). A holder that did not answer `prepare` is dead; else
 * a new epoch. From the second time in a row on the pongs tell the link or the node that holds
 * things up: `late` stays, for two of them may be broken, and 30 s are soon over (S13).
 */
function onOverdue(turn: Turn): void {
  const { state } = turn;
  const route = must(state.route, 'only a route is overdue');
  const silent = route.places.find((place) => !route.prepared.has(place.node));
  if (silent) {
    declare(turn, silent, 'no-prepared');
    return;
  }
  update(turn, { late: state.late + 1, overdue: state.overdue + 1 });
  const culprit = state.late === 0 ? null : findCulprit(state);
  if (culprit === null) {
    doubt(turn, 'deadline');
    return;
  }
  if (culprit.kind === 'link') {
    const [, taker] = culprit.pair;
    if (route.proven || !isSuspect(state, culprit.pair)) {
      suspect(turn, culprit.pair);
      return;
    }
    // By relay, too, one says that it sent and the other that it got nothing: another route.
    avoid(turn, taker);
    askOther(turn);
    return;
  }
  declare(turn, culprit.holder, 'not-working');
}

export function onPrepared(turn: Turn, from: Sender, epoch: number): void {
  const { route } = turn.state;
  if (!route || route.epoch !== epoch) return;
  const held = route.places.some(
    (place) => place.node === from.node && place.incarnation === from.incarnation,
  );
  if (held) updateRoute(turn, { prepared: new Set(route.prepared).add(from.node) });
}

/** A pong's counts, kept for the day a deadline passes. */
export function onProgress(turn: Turn, from: Sender, entries: readonly Progress[]): void {
  const { state } = turn;
  const { session } = state.request;
  const mine = entries.filter(
    (entry) => entry.session === session && speaksFor(state, from, entry),
  );
  if (!state.route || mine.length === 0) return;
  const progress = new Map<Place, Progress>(state.route.progress);
  for (const entry of mine) progress.set(entry.place, entry);
  updateRoute(turn, { progress });
}
