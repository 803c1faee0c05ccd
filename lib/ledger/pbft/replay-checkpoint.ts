import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf, keepBody } from './bodies.ts';
import { keepSeal } from './checkpoints.ts';
import { executeBlock } from './execute.ts';
import type { CheckpointRecord, LogRecord } from './records.ts';
import { met, updateSlot, type ChainHead, type Turn } from './state.ts';

/** What `logCheckpoint` wrote, of a log that is read again (R27). */

export function replayBatch(
  turn: Turn,
  { sequence, batch }: Extract<LogRecord, { type: 'batch' }>,
): void {
  const { state } = turn;
  if (sequence <= state.stable.sequence) return;
  const checked = state.env.application.checkBatch(batch);
  if (checked !== null) keepBody(turn, sequence, checked);
}

/** Executes again what led to an own CHECKPOINT. @returns its head; null: it is not above ours. */
export function replayCheckpoint(turn: Turn, record: CheckpointRecord): ChainHead | null {
  const { sequence, headerHash, digests } = record;
  if (turn.state.head.sequence !== sequence - digests.length) return null;
  met(turn, 'R27 a checkpoint is made again from the log');
  for (const [i, digest] of digests.entries()) {
    const batch = bodyOf(turn.state, digest);
    if (batch === null) return null;
    updateSlot(turn, sequence - digests.length + 1 + i, { committed: digest });
    const seal = executeBlock(turn, batch);
    const isSame = seal !== null && bytesEqual(seal.headerHash, headerHash);
    if (isSame && seal.sequence === sequence) keepSeal(turn, seal);
  }
  return turn.state.head;
}
