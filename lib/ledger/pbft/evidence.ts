import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer } from './codec/bytes.ts';
import { LIMITS } from './limits.ts';
import { readNewView, writeNewView, type NewView } from './messages/new-view.ts';
import { readSeal, writeSeal, type Seal } from './messages/seal.ts';
import type { SignedType } from './messages/signing.ts';
import { readViewChange, writeViewChange, type ViewChange } from './messages/view-change.ts';
import { readVote, writeVote, type Vote } from './messages/vote.ts';
import {
  newViewHolds,
  sealHolds,
  viewChangeHolds,
  voteHolds,
  type Electorate,
} from './signatures.ts';
import { met, update, type Turn } from './state.ts';
import type { Evidence } from './types.ts';

type SignedMessage = Vote | Seal | ViewChange | NewView;

function bytesOf(message: SignedMessage): Uint8Array {
  const out = new Writer();
  switch (message.type) {
    case 'seal':
      return writeSeal(out, message).done();
    case 'view-change':
      return writeViewChange(out, message).done();
    case 'new-view':
      return writeNewView(out, message).done();
    default:
      return writeVote(out, message).done();
  }
}

/** Keeps two messages that one key should not have signed both, once a (key, kind, epoch). */
export function accuse(turn: Turn, first: SignedMessage, second: SignedMessage): void {
  const { type: kind, epoch, replica } = first;
  const { evidence } = turn.state;
  const isKnown = evidence.some(
    (each) => each.kind === kind && each.epoch === epoch && each.replica === replica,
  );
  if (isKnown || evidence.length >= LIMITS.evidenceMax) return;
  const found = { kind, epoch, replica, first: bytesOf(first), second: bytesOf(second) };
  met(turn, 'R23 evidence');
  update(turn, { evidence: [...evidence, found] });
  turn.out.push({ type: 'evidence', evidence: found });
}

/** Does it convict its replica under that epoch's members? Takes anything; never throws. */
export function evidenceHolds(of: Electorate, evidence: Evidence): boolean {
  try {
    const [first, second] = [evidence.first, evidence.second].map((bytes) => {
      const from = new Reader(bytes);
      const message = readSigned(from, evidence.kind);
      from.end();
      return message;
    });
    if (first === undefined || second === undefined) return false;
    if (first.replica !== evidence.replica || second.replica !== evidence.replica) return false;
    if (first.epoch !== evidence.epoch || placeOf(first) !== placeOf(second)) return false;
    return (
      isHeld(of, first) && isHeld(of, second) && !bytesEqual(unsigned(first), unsigned(second))
    );
  } catch {
    return false;
  }
}

/** What a correct key signs once. */
const placeOf = (message: SignedMessage): string =>
  [
    message.epoch,
    'view' in message ? message.view : '',
    'sequence' in message ? message.sequence : '',
  ].join('/');

/** Without the signature: another signature over the same bytes is no second vote. */
const unsigned = (message: SignedMessage): Uint8Array =>
  bytesOf({ ...message, signature: new Uint8Array(64) });

function readSigned(from: Reader, kind: SignedType): SignedMessage {
  switch (kind) {
    case 'seal':
      return readSeal(from);
    case 'view-change':
      return readViewChange(from);
    case 'new-view':
      return readNewView(from);
    default:
      return readVote(from, kind);
  }
}

function isHeld(of: Electorate, message: SignedMessage): boolean {
  switch (message.type) {
    case 'seal':
      return sealHolds(of, message);
    case 'view-change':
      return viewChangeHolds(of, message);
    case 'new-view':
      return newViewHolds(of, message);
    default:
      return voteHolds(of, message);
  }
}
