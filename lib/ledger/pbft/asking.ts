import { toHex } from '#lib/kernel/bytes.ts';
import { later } from '#lib/kernel/units.ts';
import { TIMES } from './limits.ts';
import { beatMs, met, send, update, type Turn } from './state.ts';
import { isNews, lackingAbove } from './transfer.ts';

/**
 * Asks one after the other: nobody can hold us up by promising. Each has twice the time of the one before,
 * from T/4 on, so that an answer comes through however far it is; and so again for each piece.
 */
export function askForState(turn: Turn): void {
  const { state, now } = turn;
  const old = [...state.hints]
    .filter(([, hint]) => isNews(state, hint) && now.atMs - hint.since >= beatMs(state))
    .map(([id]) => id)
    .sort();
  const [first] = old;
  if (first === undefined) {
    if (state.askedForState !== null) update(turn, { askedForState: null, receiving: null });
    return;
  }
  const last = state.askedForState;
  const isOver = last === null || last.isRefused;
  if (!isOver && now.atMs < later(last.at, beatMs(state) * 2 ** last.before)) {
    if (last.link === state.receiving?.link) askForParts(turn);
    return;
  }
  const link = old.find((id) => id > (last?.link ?? '')) ?? first;
  met(turn, last === null ? 'R20 a state is asked for' : 'R20 another is asked');
  const before = last === null ? 0 : Math.min(last.before + 1, TIMES.doublingsMax);
  // What came of its parts may serve with the next one's.
  const receiving = state.receiving && { ...state.receiving, link: null };
  update(turn, { askedForState: { link, at: now.atMs, before, isRefused: false }, receiving });
  const { epoch } = state.constitution;
  send(turn, { id: link }, { type: 'fetch-state', epoch, above: lackingAbove(state) });
}

/** Asks for the next piece. A question or an answer that was lost is repeated with each STATUS. */
export function askForParts(turn: Turn): void {
  const { receiving } = turn.state;
  if (receiving?.link == null) return;
  const { link, offer, parts } = receiving;
  const from = offer.partHashes.findIndex((hash) => !parts.has(toHex(hash)));
  const { sequence } = offer.header;
  if (from >= 0) send(turn, { id: link }, { type: 'fetch-parts', sequence, from });
}
