import { appendLeaf, rangeRoot } from '#lib/ledger/crypto/mountain-range.ts';
import { leafHash } from '#lib/ledger/crypto/merkle.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { bodyOf } from './bodies.ts';
import { logCheckpoint } from './checkpoint-log.ts';
import { checkStable } from './checkpoints.ts';
import { withEntry } from './layered-map.ts';
import { encodeMessage } from './messages/message.ts';
import { headerHash, type Header } from './messages/header.ts';
import type { Seal } from './messages/seal.ts';
import { propose } from './propose.ts';
import { signSeal } from './signatures.ts';
import { isClosing, met, update, votes, type ChainHead, type Turn } from './state.ts';
import type { CheckedBatch, Execution } from './types.ts';

/** Executes what is committed, strictly in order, up to the end of the epoch. */
export function executeReady(turn: Turn): void {
  let hasExecuted = false;
  for (;;) {
    const { state } = turn;
    const committed = state.slots.get(state.head.sequence + 1)?.committed ?? null;
    if (committed === null || isClosing(state)) break;
    const batch = bodyOf(state, committed);
    if (batch === null) break;
    executeOne(turn, batch);
    hasExecuted = true;
  }
  if (hasExecuted) propose(turn);
}

function executeOne(turn: Turn, batch: CheckedBatch): void {
  const seal = executeBlock(turn, batch);
  const { head, constitution, checkpoints } = turn.state;
  if (head.sequence % constitution.parameters.checkpointInterval !== 0) return;
  update(turn, { checkpoints: new Map(checkpoints).set(head.sequence, head) });
  if (seal !== null) logCheckpoint(turn, head, seal);
  checkStable(turn, head.sequence);
}

/** @returns this replica's SEAL; null where it only follows. */
export function executeBlock(turn: Turn, batch: CheckedBatch): Seal | null {
  const { env, head, constitution, executed } = turn.state;
  const sequence = head.sequence + 1;
  const timeMs = Math.max(head.header.timeMs, batch.timeMs);
  const execution = env.application.execute(head.app, { sequence, timeMs, batch });
  const next = nextHead(turn, { batch, timeMs, execution });
  const { epoch } = constitution;
  const seal = votes(turn.state)
    ? signSeal(turn.state, { epoch, sequence, headerHash: next.headerHash })
    : null;
  met(turn, seal === null ? 'R25 a follower executes' : 'R8 a block is executed and sealed');
  update(turn, { head: next, executed: withEntry(executed, sequence, batch.digest) });
  forgetExecuted(turn, batch);
  turn.out.push({
    type: 'executed',
    header: next.header,
    batch,
    results: execution.results,
    seal: seal === null ? null : encodeMessage(seal),
  });
  return seal;
}

/** The block's header: of the batch, the state before and the execution alone. */
function nextHead(
  { state: { env, head, constitution } }: Turn,
  of: { readonly batch: CheckedBatch; readonly timeMs: number; readonly execution: Execution },
): ChainHead {
  const { application, sha256, chain } = env;
  const app = of.execution.state;
  const after = application.constitution(app);
  const { range } = appendLeaf(head.range, leafHash(head.headerHash, sha256), sha256);
  const header: Header = {
    chain,
    epoch: constitution.epoch,
    sequence: head.sequence + 1,
    prevHeaderHash: head.headerHash,
    timeMs: of.timeMs,
    batchDigest: of.batch.digest,
    resultsRoot: of.execution.resultsRoot,
    stateRoot: application.stateRoot(app),
    historyRoot: rangeRoot(range, sha256),
    nextMembersHash: sha256(after.membership),
    beacon: ZERO_HASH,
  };
  const hash = headerHash(header, sha256);
  return { sequence: header.sequence, header, headerHash: hash, range, app, constitution: after };
}

/** Its requests wait no longer; patience is back to T once one that had to wait is through. */
function forgetExecuted(turn: Turn, { ids }: CheckedBatch): void {
  const { pending, delayed } = turn.state;
  const left = pending.without(ids);
  if (left !== pending) update(turn, { pending: left });
  if (delayed.size === 0 || ids.some((id) => delayed.has(id))) {
    if (turn.state.doublings > 0) met(turn, 'R13 patience is T again');
    update(turn, { doublings: 0, delayed: new Set() });
  }
}
