import type { ReasonCode } from '#lib/kernel/reasons.ts';
import type { Speed } from './measure.ts';
import { THREADS } from './limits.ts';

/** What is known of a device and of its owner's wishes before anything is timed. */
export interface ThreadFacts {
  /** Logical processors. */
  readonly cores: number;
  /** Memory can be shared between workers: a cross-origin isolated page, or Node. */
  readonly isolated: boolean;
  /** How much of the processor the volunteer gives, 0 (light) to 1: of the cores but one. */
  readonly power: number;
  /** The volunteer's own number, which is taken as it is; null: what pays. */
  readonly asked: number | null;
}

/** The most threads that a CPU stage may have, and why not more. */
export interface ThreadPlan {
  readonly most: number;
  readonly isAsked: boolean;
  readonly reason: ReasonCode;
}

export interface ThreadChoice {
  readonly threads: number;
  readonly reason: ReasonCode;
}

/** How fast the processor is with the threads that were chosen. */
export interface CpuSpeed extends Speed {
  readonly threads: ThreadChoice;
}

/** How fast a number of threads is; null where they could not be had. */
export interface TimedThreads {
  readonly threads: number;
  readonly speed: Speed | null;
}

/** A core is left to the volunteer; of the others, as many as the power setting says. */
export function planThreads({ cores, isolated, power, asked }: ThreadFacts): ThreadPlan {
  const one = (reason: ReasonCode): ThreadPlan => ({ most: 1, isAsked: false, reason });
  if (asked === 1) return one('device.threads_chosen');
  if (!isolated) return one('device.threads_isolation');
  if (asked !== null) {
    return { most: Math.min(asked, THREADS.max), isAsked: true, reason: 'device.threads_chosen' };
  }
  if (cores <= 2) return one('device.threads_cores');
  const most = 1 + Math.floor(power * (cores - 2));
  if (most <= 1) return one('device.threads_light');
  return { most: Math.min(most, THREADS.max), isAsked: false, reason: 'device.threads' };
}

/**
 * How many threads to time next, after those in `timed`; null: enough is known. One, two, four … up
 * to the plan's, as long as each step was worth it; what was asked for is timed alone.
 */
export function nextThreads(plan: ThreadPlan, timed: readonly TimedThreads[]): number | null {
  const last = timed.at(-1);
  if (!last) return plan.isAsked ? plan.most : 1;
  if (last.speed === null) return last.threads > 1 && timed.length === 1 ? 1 : null;
  if (plan.isAsked || last.threads >= plan.most) return null;
  if (last !== fastest(timed)) return null;
  return Math.min(2 * last.threads, plan.most);
}

/** The threads to compute with, of what was timed, and how fast they are. */
export function chooseThreads(
  plan: ThreadPlan,
  timed: readonly TimedThreads[],
): ThreadChoice & { readonly speed: Speed | null } {
  const { threads, speed } = fastest(timed);
  if (timed.some((each) => each.speed === null)) {
    return { threads, speed, reason: 'device.threads_failed' };
  }
  const isSlower = threads < (timed.at(-1)?.threads ?? 1);
  return { threads, speed, reason: isSlower ? 'device.threads_slower' : plan.reason };
}

/** Of numbers of threads in rising order, the last that was worth it: a token's time is what counts. */
function fastest(timed: readonly TimedThreads[]): TimedThreads {
  return timed.reduce((best, each) => {
    if (each.speed === null) return best;
    if (best.speed === null) return each;
    return best.speed.layerMs[0] >= THREADS.gainMin * each.speed.layerMs[0] ? each : best;
  });
}
