import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf } from './bodies.ts';
import type { Seal } from './messages/seal.ts';
import { persist } from './persist.ts';
import { met, type ChainHead, type ReplicaState, type Turn } from './state.ts';
import type { CheckedBatch } from './types.ts';

/**
 * CHECKPOINT is a promise to have the state: with q of them others forget how to make it. So the log says
 * first what leads to it from the checkpoint before, and `seal` leaves once that is on disk. The state
 * itself is written when the checkpoint is stable, and keeps nobody waiting.
 */
export function logCheckpoint(turn: Turn, head: ChainHead, seal: Seal | null): void {
  const { state } = turn;
  const { sequence, headerHash } = head;
  const { epoch } = state.constitution;
  const blocks = blocksTo(state, sequence);
  // Who has forgotten how it came here does not promise it.
  if (blocks === null) return;
  for (const { sequence: at, digest, batch } of blocks) {
    if (isInLog(state, at, digest)) continue;
    met(turn, 'R27 a batch that no vote holds is logged');
    persist(turn, { type: 'batch', epoch, sequence: at, batch: batch.bytes });
  }
  const digests = blocks.map(({ digest }) => digest);
  persist(turn, { type: 'checkpoint', epoch, sequence, headerHash, digests }, seal);
}

/** What was executed since the checkpoint before; null where some of it is not known any more. */
export function blocksTo(state: ReplicaState, sequence: number): Executed[] | null {
  const before = Math.max(...[...state.checkpoints.keys()].filter((at) => at < sequence));
  if (before < 0) return null;
  const blocks = Array.from({ length: sequence - before }, (_, i) =>
    executedAt(state, before + 1 + i),
  ).filter((block) => block !== null);
  return blocks.length === sequence - before ? blocks : null;
}

interface Executed {
  readonly sequence: number;
  readonly digest: Uint8Array;
  readonly batch: CheckedBatch;
}

function executedAt(state: ReplicaState, sequence: number): Executed | null {
  const digest = state.executed.get(sequence);
  const batch = digest === undefined ? null : bodyOf(state, digest);
  return digest === undefined || batch === null ? null : { sequence, digest, batch };
}

/** Does a record of ours since the last `stable` one hold this batch? Of what a view took over, only PREPARE's. */
function isInLog({ self, newView, slots }: ReplicaState, at: number, digest: Uint8Array): boolean {
  const slot = slots.get(at);
  const proposal = slot?.proposal ?? null;
  if (slot === undefined || proposal === null || !bytesEqual(proposal.digest, digest)) return false;
  if (proposal.replica !== self) return slot.preparedIn === proposal.view;
  return newView === null || at > newView.minSequence + newView.carried.length;
}
