import { toHex, concatBytes } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { unreachable } from '#lib/kernel/assert.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { keepBody } from './bodies.ts';
import { onProven } from './checkpoints.ts';
import type { PrePrepare } from './messages/pre-prepare.ts';
import type { PreparedCertificate } from './messages/view-change.ts';
import { takeOver } from './new-view.ts';
import { decodeRecord, type LogRecord } from './records.ts';
import { replayBatch, replayCheckpoint } from './replay-checkpoint.ts';
import { signVote } from './signatures.ts';
import { withoutView } from './slots.ts';
import { slotAt, update, updateSlot, votes, type ChainHead, type Turn } from './state.ts';
import type { Environment, Image } from './types.ts';
import { keepVote } from './votes.ts';

/**
 * The log's records as far as they are whole, or null for amnesia: shorter than its head, damaged below
 * it, or no head at all. Past the head nothing was ever sent: a torn tail is dropped, whole records count.
 */
export function judgeLog(env: Environment, image: Image): readonly LogRecord[] | null {
  const { head, pruned, records } = image;
  if (head === null || head.count < pruned.count) return null;
  if (pruned.count > 0 && image.state === null) return null;
  let hash = pruned.chainHash;
  let count = pruned.count;
  const read: LogRecord[] = [];
  for (const bytes of records) {
    if (count === head.count && !bytesEqual(hash, head.chainHash)) return null;
    const record = decodeRecord(bytes);
    if (isFault(record)) {
      if (count >= head.count) env.met?.('R19 a torn tail is dropped');
      break;
    }
    read.push(record);
    hash = env.sha256(concatBytes([hash, bytes]));
    count += 1;
  }
  if (count < head.count) return null;
  return count === head.count && !bytesEqual(hash, head.chainHash) ? null : read;
}

/**
 * Without what is past the head and of an epoch whose state is not here: power failed between record and
 * state, and nothing was sent for it. Below the head it counts, and is amnesia.
 */
export function founded(
  records: readonly LogRecord[],
  of: { readonly epoch: number; readonly sure: number },
): readonly LogRecord[] {
  const at = records.findIndex((record, i) => i >= of.sure && epochOf(record) > of.epoch);
  return at < 0 ? records : records.slice(0, at);
}

/**
 * Takes every vote back into mind, and every own checkpoint. False: the log belongs to a state that is not
 * here. Nothing becomes stable before all is read: the log would be cut with what is not yet read in it.
 */
export function replay(turn: Turn, records: readonly LogRecord[]): boolean {
  const checkpoints = new Map(turn.state.checkpoints);
  for (const record of records) {
    const epoch = epochOf(record);
    if (epoch > turn.state.constitution.epoch) return false;
    if (epoch < turn.state.constitution.epoch) continue;
    const head = replayOne(turn, record);
    if (head !== null) checkpoints.set(head.sequence, head);
  }
  update(turn, { checkpoints });
  return true;
}

/** Does the log say that the one before it was lost, while this key signed? */
export const isMarked = ({ signer }: Environment, records: readonly LogRecord[]): boolean =>
  records.some(
    (record) => record.type === 'amnesia' && bytesEqual(record.publicKey, signer.publicKey),
  );

function epochOf(record: LogRecord): number {
  switch (record.type) {
    case 'propose':
    case 'prepare':
      return record.message.vote.epoch;
    case 'commit':
      return record.certificate.epoch;
    case 'stable':
    case 'checkpoint':
    case 'batch':
      return record.epoch;
    case 'amnesia':
      return 0;
    default:
      return record.message.epoch;
  }
}

/** @returns the head of an own checkpoint that this record leads to; null: it is of another kind. */
function replayOne(turn: Turn, record: LogRecord): ChainHead | null {
  switch (record.type) {
    case 'propose':
    case 'prepare':
      replayProposal(turn, record.message);
      return null;
    case 'commit':
      replayCommit(turn, record.certificate);
      return null;
    case 'view-change': {
      const { view, replica } = record.message;
      update(turn, {
        view,
        phase: { kind: 'changing', deadline: null },
        newView: null,
        slots: withoutView(turn.state.slots, view),
        viewChanges: new Map([[replica, record.message]]),
      });
      return null;
    }
    case 'new-view':
      // Logged again before a cut that did not come: what was said in this view since then stands.
      if (turn.state.newView?.view !== record.message.view) takeOver(turn, record.message);
      return null;
    case 'stable':
      // Where its state is on disk it is stable already; else it is proven, and made again or fetched.
      update(turn, { view: Math.max(turn.state.view, record.view) });
      if (record.certificate.epoch === record.epoch) onProven(turn, record.certificate);
      return null;
    case 'amnesia':
      // Of another key: this folder was given a new one.
      return null;
    case 'checkpoint':
      return replayCheckpoint(turn, record);
    case 'batch':
      replayBatch(turn, record);
      return null;
    default:
      return unreachable(record);
  }
}

function replayProposal(turn: Turn, { vote, batch }: PrePrepare): void {
  const { state } = turn;
  if (vote.sequence <= state.stable.sequence) return;
  const checked = state.env.application.checkBatch(batch);
  if (checked !== null) keepBody(turn, vote.sequence, checked);
  if (vote.view !== state.view) return;
  updateSlot(turn, vote.sequence, { proposal: vote, proposedAt: turn.now.atMs });
  update(turn, { proposed: Math.max(state.proposed, vote.sequence) });
  if (vote.replica !== state.self && votes(state)) {
    updateSlot(turn, vote.sequence, { preparedIn: vote.view });
    keepVote(turn, signVote(state, 'prepare', vote));
  }
}

/** The certificate is what this replica must tell of; its COMMIT follows from it. */
function replayCommit(turn: Turn, certificate: PreparedCertificate): void {
  const { state } = turn;
  const { sequence, view, digest } = certificate;
  if (sequence <= state.stable.sequence) return;
  updateSlot(turn, sequence, { certificate, committedIn: view });
  if (view !== state.view || !votes(state)) return;
  const slot = slotAt(turn.state, sequence);
  if (slot.proposal !== null && toHex(slot.proposal.digest) !== toHex(digest)) return;
  keepVote(turn, signVote(state, 'commit', certificate));
}
