import type { InstantMs } from '#lib/kernel/units.ts';
import { REPLAN } from './limits.ts';
import type { ClusterPlan } from './plan.ts';

/** When a better cut is worth its moves (P3): joins and leaves do not come here, they act at once. */
export interface ReplanState {
  /** Since when the gain has been large enough without a break. */
  readonly gainSince: InstantMs | null;
  readonly lastAt: InstantMs | null;
}

export const noReplan: ReplanState = { gainSince: null, lastAt: null };

/** Share of time that `next` saves: of the slowest stage, or of a round where stages differ in number. */
export function gainOf(now: ClusterPlan, next: ClusterPlan): number {
  if (next.uncovered.length > 0 || next.stages.length === 0) return 0;
  const alike = now.stages.length === next.stages.length;
  const [before, after] = alike
    ? [now.bottleneckMs, next.bottleneckMs]
    : [now.roundMs, next.roundMs];
  return before > 0 ? 1 - after / before : 0;
}

/** `go` once the gain has lasted, and not sooner after the last move than every 30 s. */
export function stepReplan(
  state: ReplanState,
  gain: number,
  now: InstantMs,
): { readonly state: ReplanState; readonly go: boolean } {
  if (gain < REPLAN.gainMin) {
    return { state: state.gainSince === null ? state : { ...state, gainSince: null }, go: false };
  }
  const gainSince = state.gainSince ?? now;
  const rested = state.lastAt === null || now - state.lastAt >= REPLAN.everyMs;
  if (now - gainSince < REPLAN.steadyMs || !rested) {
    return { state: { ...state, gainSince }, go: false };
  }
  return { state: { gainSince: null, lastAt: now }, go: true };
}
