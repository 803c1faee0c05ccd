import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
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
  type Pending,
  type ReplicaState,
  type Turn,
} from './state.ts';

/** Half of the frame: a PRE-PREPARE and a record hold a batch whole. */
const REQUESTS_BYTES_MAX = LIMITS.batchBytesMax / 2;

/** The primary proposes what it should by now. `prepared`: a slot has just prepared, which makes room. */
export function propose(turn: Turn, cause: 'arrival' | 'prepared'): void {
  let isRoomMade = cause === 'prepared';
  for (;;) {
    const sequence = nextSequence(turn.state);
    if (sequence === null) return;
    const batch = nextBatch(turn, sequence, isRoomMade);
    if (batch === null) return;
    isRoomMade = false;
    proposeBatch(turn, sequence, batch);
  }
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
function nextBatch(turn: Turn, sequence: number, isRoomMade: boolean): Uint8Array | null {
  const { state, now } = turn;
  const { application } = state.env;
  const waiting = waitingRequests(state);
  const [oldest] = waiting;
  if (oldest === undefined) {
    // To the end of the epoch at once, whatever is waiting for (ledger.md, Epochs).
    if (state.head.constitution.endsAfter !== null) {
      met(turn, 'R22 a null batch on the way to c');
      return application.writeBatch(0, []);
    }
    return isTimeDue(turn) ? application.writeBatch(now.wallMs, []) : null;
  }
  const { batchMax } = state.constitution.parameters;
  const isIdle = sequence === state.head.sequence + 1;
  const hasWaited = now.atMs - oldest.at >= TIMES.batchWaitMs;
  const mayOpen = hasWaited && unprepared(state) < UNPREPARED_MAX;
  const isFull = waiting.length >= batchMax;
  if (!isIdle && !isRoomMade && !mayOpen && !isFull) return null;
  met(turn, reasonOf({ isIdle, isFull, isRoomMade }));
  return application.writeBatch(now.wallMs, upToLimits(waiting, batchMax));
}

/** Why a batch is proposed now: the first of the rule's reasons that holds. */
function reasonOf(of: {
  readonly isIdle: boolean;
  readonly isFull: boolean;
  readonly isRoomMade: boolean;
}): RuleBranch {
  if (of.isIdle) return 'R11 proposed at once';
  if (of.isFull) return 'R11 proposed because B_max wait';
  return of.isRoomMade ? 'R11 proposed because a slot prepared' : 'R11 proposed after 3 ms';
}

function upToLimits(waiting: readonly Pending[], batchMax: number): Uint8Array[] {
  const chosen: Uint8Array[] = [];
  let bytes = 0;
  for (const { request } of waiting.slice(0, batchMax)) {
    bytes += request.length;
    if (bytes > REQUESTS_BYTES_MAX) break;
    chosen.push(request);
  }
  return chosen;
}

/** Oldest first, without those in slots under way. */
function waitingRequests(state: ReplicaState): Pending[] {
  if (state.pending.size === 0) return [];
  const open = new Set<string>();
  for (const { proposal, sequence } of state.slots.values()) {
    if (proposal === null || sequence <= state.head.sequence) continue;
    for (const id of state.bodies.get(toHex(proposal.digest))?.batch.ids ?? []) open.add(id);
  }
  for (const { message } of state.withheld) {
    if (message.type !== 'pre-prepare' || message.vote.view !== state.view) continue;
    for (const id of state.bodies.get(toHex(message.vote.digest))?.batch.ids ?? []) open.add(id);
  }
  return [...state.pending.values()].filter(({ id }) => !open.has(id));
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
  update(turn, { proposed: sequence });
  if (batch.timeMs > 0) update(turn, { batchAt: turn.now.atMs });
  persist(turn, { type: 'propose', message }, message);
}
