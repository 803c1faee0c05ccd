import { toHex } from '#lib/kernel/bytes.ts';
import { askForParts } from './asking.ts';
import { executeReady } from './execute.ts';
import { LIMITS } from './limits.ts';
import type { Parts, StateTransfer } from './messages/state-transfer.ts';
import { admitAgain } from './requests.ts';
import { met, update, type Receiving, type Turn } from './state.ts';
import { adopt, headOf, isNews, offerHolds } from './transfer.ts';
import type { Link } from './types.ts';

/** Only from whom we asked. All of it hangs on one header, and that on q SEALs of its epoch. */
export function onState(turn: Turn, message: StateTransfer, link: Link): void {
  const { state } = turn;
  const asked = state.askedForState;
  if (link.id !== asked?.link || asked.isRefused) {
    met(turn, 'R20 a state of who was not asked');
    return;
  }
  // One offer an asking: else each would give its giver more time.
  if (state.receiving?.link === link.id) return;
  const { parts, ...offer } = message;
  const { header, partHashes } = offer;
  if (!isNews(state, { epoch: header.epoch, stable: header.sequence })) return;
  if (!offerHolds(state, offer)) {
    met(turn, 'R20 a state is refused');
    return;
  }
  const wanted = new Set(partHashes.map(toHex));
  const before = [...(state.receiving?.parts ?? [])].filter(([hash]) => wanted.has(hash));
  if (before.length > 0) met(turn, 'R28 pieces of one giver serve with another');
  const pieces = { count: 0, bytes: 0 };
  update(turn, { receiving: { link: link.id, offer, parts: new Map(before), pieces } });
  takePiece(turn, { from: 0, parts });
}

export function onParts(turn: Turn, message: Parts, link: Link): void {
  const { receiving, askedForState } = turn.state;
  if (receiving?.link !== link.id || askedForState?.link !== link.id) return;
  const { header } = receiving.offer;
  if (message.sequence !== header.sequence) return;
  if (isNews(turn.state, { epoch: header.epoch, stable: header.sequence }))
    takePiece(turn, message);
  else update(turn, { receiving: null });
}

/** Each part is what its hash says, in its place; with the last of them the state is made. */
function takePiece(turn: Turn, piece: Pick<Parts, 'from' | 'parts'>): void {
  const { receiving, askedForState } = turn.state;
  if (receiving === null || askedForState === null) return;
  const next = withPiece(turn, receiving, piece);
  if (next === null) {
    met(turn, 'R28 a piece is refused');
    return;
  }
  met(turn, 'R28 a piece is taken');
  const isWorth = isWorthTime(turn, next, askedForState.before);
  const at = isWorth ? turn.now.atMs : askedForState.at;
  update(turn, { receiving: next, askedForState: { ...askedForState, at } });
  if (next.offer.partHashes.every((hash) => next.parts.has(toHex(hash)))) finish(turn, next);
  else if (isWorth) askForParts(turn);
}

/** Null where a part is another than its hash says, or none, or all together are too much. */
function withPiece(
  { state }: Turn,
  receiving: Receiving,
  piece: Pick<Parts, 'from' | 'parts'>,
): Receiving | null {
  const { offer, pieces } = receiving;
  const parts = new Map(receiving.parts);
  let { bytes } = pieces;
  for (const [i, part] of piece.parts.entries()) {
    const name = toHex(state.env.sha256(part));
    const wanted = offer.partHashes[piece.from + i];
    if (wanted === undefined || toHex(wanted) !== name) return null;
    // Read as it comes: what is left for the last one is to put them together.
    const read = parts.get(name) ?? state.env.application.readPart(part);
    if (read === null) return null;
    parts.set(name, read);
    bytes += part.length;
  }
  if (bytes > LIMITS.stateBytesMax) return null;
  return { ...receiving, parts, pieces: { count: pieces.count + 1, bytes } };
}

/** Pieces that may be small: the first, the last, and what was on its way twice. */
const SMALL_PIECES = 4;

/**
 * A giver has new time with each piece; not one that hands over crumbs to hold us up, nor one whose pieces
 * do not end, and whose lie would be seen with the last of them: another goes on with what is here.
 */
function isWorthTime({ state }: Turn, { pieces }: Receiving, before: number): boolean {
  const least = (state.env.pieceBytes ?? LIMITS.pieceBytesMax) / 2;
  const isWithinTurn = pieces.count <= LIMITS.piecesInTurnMax * 2 ** before;
  return isWithinTurn && pieces.bytes >= (pieces.count - SMALL_PIECES) * least;
}

/** Whole: the root of what they make is the header's, or whoever gave them lied. */
function finish(turn: Turn, { offer, parts }: Receiving): void {
  const read = offer.partHashes.flatMap((hash) => parts.get(toHex(hash)) ?? []);
  update(turn, { receiving: null });
  const head = headOf(turn.state.env, { ...offer, parts: read });
  if (head === null) {
    met(turn, 'R20 a state is refused');
    const asked = turn.state.askedForState;
    update(turn, { askedForState: asked && { ...asked, isRefused: true } });
    return;
  }
  met(turn, 'R20 a state is taken');
  if (offer.epochEnds.length > 0) met(turn, 'R20 a state is taken over epochs');
  update(turn, { hints: new Map(), askedForState: null });
  adopt(turn, { head, certificate: offer.certificate, epochEnds: offer.epochEnds });
  admitAgain(turn);
  executeReady(turn);
}
