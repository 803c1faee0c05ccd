import { later } from '#lib/kernel/units.ts';
import { mayAnswer } from './bodies.ts';
import { stableHead } from './checkpoints.ts';
import { LIMITS, TIMES } from './limits.ts';
import type { FetchState } from './messages/link-messages.ts';
import type { FetchParts } from './messages/state-transfer.ts';
import { beatMs, send, update, type Giving, type ReplicaState, type Turn } from './state.ts';
import type { Link, StatePart } from './types.ts';

/** Beats without a question after which nobody seems to be there any more. */
const IDLE_BEATS = 16;

/** Answers with a certified state above `above`: what it hangs on, and the first piece. */
export function onFetchState(turn: Turn, message: FetchState, link: Link): void {
  const { stable, constitution } = turn.state;
  if (stable.seals.length === 0) return;
  if (message.above >= stable.sequence && message.epoch >= constitution.epoch) return;
  if (!mayAnswer(turn, `state/${link.id}`, 1)) return;
  const { head, certificate, parts } = givenAbove(turn, message);
  const { header, range } = head;
  const ends = turn.state.epochEnds.filter(
    (end) => end.header.epoch >= message.epoch && end.header.sequence < header.sequence,
  );
  send(
    turn,
    { id: link.id },
    {
      ...{ type: 'state', epochEnds: ends, header, certificate, peaks: range.peaks },
      partHashes: parts.map(({ hash }) => hash),
      parts: pieceFrom(turn, parts, 0),
    },
  );
}

/** One piece, to who asks for it: the asker's pace is the rate. */
export function onFetchParts(turn: Turn, { sequence, from }: FetchParts, link: Link): void {
  const { giving } = turn.state;
  if (giving?.head.sequence !== sequence || from >= giving.parts.length) return;
  // Before it is packed, which costs milliseconds.
  if (!mayAnswer(turn, `parts/${link.id}`, piecesABeat(turn.state))) return;
  const parts = pieceFrom(turn, giving.parts, from);
  update(turn, { giving: { ...giving, askedAt: turn.now.atMs } });
  send(turn, { id: link.id }, { type: 'parts', sequence, from, parts });
}

/** What a peer may be given between two of our STATUS. */
export const piecesABeat = (state: ReplicaState): number =>
  Math.ceil(beatMs(state) / TIMES.pieceMsMin);

/** At each beat: nobody may hold a state here for ever. */
export function forgetGiven(turn: Turn): void {
  const { state, now } = turn;
  if (state.giving === null) return;
  const { since, askedAt } = state.giving;
  const { timeoutMs } = state.constitution.parameters;
  const isIdle = now.atMs >= later(askedAt, IDLE_BEATS * beatMs(state));
  if (isIdle || now.atMs >= later(since, TIMES.givenTimeoutsMax * timeoutMs))
    update(turn, { giving: null });
}

/** The state that others are being given, where it helps this one, too: they would have to begin anew. */
function givenAbove(turn: Turn, { epoch, above }: FetchState): Giving {
  const { state, now } = turn;
  const { env, giving, stable } = state;
  const helps =
    giving !== null && (giving.head.sequence > above || giving.head.header.epoch > epoch);
  if (helps) return giving;
  const head = stableHead(turn);
  const parts = [...env.application.parts(head.app)];
  const at = { since: now.atMs, askedAt: now.atMs };
  const given: Giving = { head, certificate: stable, parts, ...at };
  update(turn, { giving: given });
  return given;
}

/** Parts in a row up to the size of a piece; one at least, where there is one. */
function pieceFrom({ state }: Turn, parts: readonly StatePart[], from: number): Uint8Array[] {
  const most = state.env.pieceBytes ?? LIMITS.pieceBytesMax;
  const piece: Uint8Array[] = [];
  let bytes = 0;
  for (let at = from; at < parts.length; at += 1) {
    const part = parts[at]?.bytes() ?? new Uint8Array(0);
    bytes += part.length;
    if (piece.length > 0 && bytes > most) break;
    piece.push(part);
  }
  return piece;
}
