import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { later } from '#lib/kernel/units.ts';
import { LIMITS, TIMES, UNPREPARED_MAX } from './limits.ts';
import { keepBody } from './bodies.ts';
import { persist } from './persist.ts';
import type { RuleBranch } from './rule-branches.ts';
import { signVote } from './signatures.ts';
import {
  inWindow,
  isClosing,
  isPrimary,
  met,
  proven,
  slotAt,
  update,
  type ReplicaState,
  type Turn,
} from './state.ts';

/** Half of the frame: a PRE-PREPARE and a record hold a batch whole. */
const REQUESTS_BYTES_MAX = LIMITS.batchBytesMax / 2;

/** The primary proposes what it should by now. */
export function propose(turn: Turn): void {
  waitForTime(turn, false);
  for (;;) {
    const sequence = nextSequence(turn.state);
    const batch = sequence === null ? null : nextBatch(turn, sequence);
    if (sequence === null || batch === null) return;
    proposeBatch(turn, sequence, batch);
  }
}

/** True: requests wait for nothing but `spacedUntil`, and a tick is due then. */
function waitForTime(turn: Turn, isSpaced: boolean): void {
  if (turn.state.isSpaced !== isSpaced) update(turn, { isSpaced });
}

/** The next slot to fill; null where this replica may fill none. */
function nextSequence(state: ReplicaState): number | null {
  if (!isPrimary(state) || isClosing(state)) return null;
  const { head, proposed, constitution } = state;
  const next = Math.max(proposed, head.sequence, proven(state).sequence) + 1;
  if (next > head.sequence + constitution.parameters.window || !inWindow(state, next)) {
    met({ state }, 'R11 W are in flight');
    return null;
  }
  const last = head.constitution.endsAfter;
  if (last === null || next <= last) return next;
  met({ state }, 'R22 nothing is proposed past c');
  return null;
}

/** The batch to propose now; null: not yet. */
function nextBatch(turn: Turn, sequence: number): Uint8Array | null {
  const { state, now } = turn;
  const { application } = state.env;
  if (state.pending.size === 0) return batchOfNone(turn);
  const { batchMax } = state.constitution.parameters;
  // On the way to c nothing waits.
  const isDue = now.atMs >= state.spacedUntil || state.head.constitution.endsAfter !== null;
  // All that wait would not fill it: which of them are under way need not be known.
  if (!isDue && state.pending.size < batchMax) {
    waitForTime(turn, true);
    return null;
  }
  const waiting = waitingRequests(state, batchMax);
  if (waiting.length === 0) return batchOfNone(turn);
  const isFull = waiting.length === batchMax;
  if (!isFull && !isDue) waitForTime(turn, true);
  if (!isFull && (!isDue || unprepared(state) >= UNPREPARED_MAX)) return null;
  met(turn, reasonOf(isFull, sequence === state.head.sequence + 1));
  return application.writeBatch(now.wallMs, upToLimits(waiting));
}

/** A batch without requests, where one is due; null: none is. */
function batchOfNone(turn: Turn): Uint8Array | null {
  const { state, now } = turn;
  const { application } = state.env;
  // To the end of the epoch at once, whatever is waiting for (R22).
  if (state.head.constitution.endsAfter !== null) {
    met(turn, 'R22 a null batch on the way to c');
    return application.writeBatch(0, []);
  }
  return isTimeDue(turn) ? application.writeBatch(now.wallMs, []) : null;
}

/** Why a batch is proposed now: the first of the rule's reasons that holds. */
function reasonOf(isFull: boolean, isIdle: boolean): RuleBranch {
  if (isFull) return 'R11 proposed because B_max wait';
  return isIdle ? 'R11 proposed with nothing in flight' : 'R11 proposed beside others in flight';
}

function upToLimits(waiting: readonly Uint8Array[]): Uint8Array[] {
  const chosen: Uint8Array[] = [];
  let bytes = 0;
  for (const request of waiting) {
    bytes += request.length;
    if (bytes > REQUESTS_BYTES_MAX) break;
    chosen.push(request);
  }
  return chosen;
}

/** Up to `most`, oldest first, without those in slots under way. */
function waitingRequests(state: ReplicaState, most: number): Uint8Array[] {
  const open = openRequests(state);
  const waiting: Uint8Array[] = [];
  for (const { id, request } of state.pending) {
    if (open.has(id)) continue;
    waiting.push(request);
    if (waiting.length === most) break;
  }
  return waiting;
}

/** Ids in slots of this view that are not executed, proposed or about to be. */
function openRequests(state: ReplicaState): Set<string> {
  const open = new Set<string>();
  const add = (digest: Uint8Array): void => {
    for (const id of state.bodies.get(toHex(digest))?.batch.ids ?? []) open.add(id);
  };
  for (let sequence = state.head.sequence + 1; sequence <= state.proposed; sequence += 1) {
    const proposal = state.slots.get(sequence)?.proposal ?? null;
    if (proposal !== null) add(proposal.digest);
  }
  for (const { message } of state.withheld) {
    if (message.type === 'pre-prepare' && message.vote.view === state.view) {
      add(message.vote.digest);
    }
  }
  return open;
}

const unprepared = (state: ReplicaState): number => {
  let count = 0;
  const from = Math.max(state.head.sequence, proven(state).sequence) + 1;
  for (let sequence = from; sequence <= state.proposed; sequence += 1) {
    if (slotAt(state, sequence).certificate?.view !== state.view) count += 1;
  }
  return count;
};

/** Something falls due by the ledger's clock, or nothing moved that clock for long. */
function isTimeDue({ state, now }: Turn): boolean {
  if (state.proposed > state.head.sequence) return false;
  const dueAt = state.env.application.dueAt(state.head.app);
  if (dueAt !== null && now.wallMs >= dueAt && now.wallMs > state.head.header.timeMs) return true;
  return now.atMs - state.batchAt >= TIMES.batchEveryMs;
}

function proposeBatch(turn: Turn, sequence: number, bytes: Uint8Array): void {
  const { state } = turn;
  const batch = must(state.env.application.checkBatch(bytes), 'a batch that we wrote is valid');
  const vote = signVote(state, 'pre-prepare', {
    view: state.view,
    sequence,
    digest: batch.digest,
  });
  const message = { type: 'pre-prepare' as const, vote, batch: bytes };
  keepBody(turn, sequence, batch);
  const spacedUntil = later(turn.now.atMs, TIMES.batchSpacingMs);
  update(turn, { proposed: sequence, spacedUntil });
  if (batch.timeMs > 0) update(turn, { batchAt: turn.now.atMs });
  persist(turn, { type: 'propose', message }, message);
}
