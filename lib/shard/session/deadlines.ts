import { later, type InstantMs } from '#lib/kernel/units.ts';
import { unreachable } from '#lib/kernel/assert.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { RoutePlan } from './types.ts';
import { SESSION } from './limits.ts';
import { update, type OwnerState, type Phase, type Turn } from './state.ts';

/**
 * A token was accepted or a reported KV length grew: patience starts anew (V1, S13). Who holds
 * things up stays in question (`late`) until the ring is seen to go round: a link dead in one
 * direction lets the hand-over's one token, or two un-acked chunks, pass in every epoch, and would
 * never be suspected.
 */
export function progressed(turn: Turn, { isRound }: { readonly isRound: boolean }): void {
  update(turn, { overdue: 0, broken: new Set(), progressAt: turn.now });
  if (isRound) update(turn, { late: 0 });
  setDeadline(turn);
}

/** Arms the working clock of V1 for the phase the session is in. */
export function setDeadline(turn: Turn): void {
  update(turn, { workDeadline: later(turn.now, patienceMs(turn.state)) });
}

/**
 * max(2 s, 4 × predicted), twice as long with each epoch in a row that ended overdue (V1). Epochs
 * that a fault or a lost node ended early do not count: they say nothing about slowness, and a
 * burst of them would make the owner deaf until the answer is lost.
 */
function patienceMs(state: OwnerState): number {
  if (!state.route) return TIMES.lostAnswerMs;
  const predictedMs = predict(state.phase, state.route.plan);
  const onceMs = Math.max(TIMES.deadlineMinMs, SESSION.deadlineFactor * predictedMs);
  const loadMs = state.route.reports.includes(null) ? state.route.plan.loadMs : 0;
  return Math.min(TIMES.lostAnswerMs, (onceMs + loadMs) * 2 ** state.overdue);
}

function predict(phase: Phase, plan: RoutePlan): number {
  switch (phase.kind) {
    case 'preparing':
    case 'filling':
      return plan.chunkMs;
    case 'decoding':
      return plan.roundMs;
    case 'routing':
    case 'done':
      return 0;
    default:
      return unreachable(phase);
  }
}

/** Earliest instant at which a tick does something. */
export function nextDeadline(state: OwnerState): InstantMs {
  if (state.phase.kind === 'done') return Infinity as InstantMs;
  const lostAt = later(state.progressAt, TIMES.lostAnswerMs);
  const working = state.phase.kind === 'routing' ? lostAt : state.workDeadline;
  const keepAliveAt = state.route ? state.keepAliveAt : lostAt;
  return Math.min(lostAt, working, keepAliveAt) as InstantMs;
}
