import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '#lib/kernel/reasons.ts';
import {
  chooseThreads,
  nextThreads,
  planThreads,
  type ThreadFacts,
  type ThreadPlan,
  type TimedThreads,
} from '#lib/webgpu/capability/threads.ts';

const FACTS: ThreadFacts = { cores: 8, isolated: true, power: 0.5, asked: null };

describe('[P5] the most threads that a stage may have', () => {
  it.each<[Partial<ThreadFacts>, number, ReasonCode]>([
    [{}, 4, 'device.threads'],
    [{ power: 1 }, 7, 'device.threads'],
    [{ power: 0 }, 1, 'device.threads_light'],
    [{ cores: 4 }, 2, 'device.threads'],
    [{ cores: 3 }, 1, 'device.threads_light'],
    [{ cores: 3, power: 1 }, 2, 'device.threads'],
    [{ cores: 2, power: 1 }, 1, 'device.threads_cores'],
    [{ cores: 1, power: 1 }, 1, 'device.threads_cores'],
    [{ cores: 256, power: 1 }, 16, 'device.threads'],
    [{ isolated: false }, 1, 'device.threads_isolation'],
    [{ isolated: false, asked: 3 }, 1, 'device.threads_isolation'],
    [{ cores: 2, asked: 2 }, 2, 'device.threads_chosen'],
    [{ cores: 2, power: 0, asked: 1 }, 1, 'device.threads_chosen'],
    [{ asked: 99 }, 16, 'device.threads_chosen'],
  ])('%j: %i, %s', (facts, most, reason) => {
    expect(planThreads({ ...FACTS, ...facts })).toMatchObject({ most, reason });
  });
});

/** What is timed, in order, and chosen, on a device where so many threads take so long; null fails. */
function outcome(plan: ThreadPlan, layerMs: Readonly<Record<number, number | null>>) {
  const timed: TimedThreads[] = [];
  for (;;) {
    const threads = nextThreads(plan, timed);
    if (threads === null) break;
    const ms = layerMs[threads] ?? null;
    const times = [ms ?? 0, 1, 1] as const;
    timed.push({ threads, speed: ms === null ? null : { layerMs: times, headMs: times } });
  }
  const { threads, reason } = chooseThreads(plan, timed);
  return [timed.map((each) => each.threads), threads, reason];
}

const upTo = (most: number): ThreadPlan => ({ most, isAsked: false, reason: 'device.threads' });
const asked = (most: number): ThreadPlan => ({
  ...{ most, isAsked: true, reason: 'device.threads_chosen' },
});

describe('[P5] more threads only where each step is measured to pay 1.15 times', () => {
  it.each([
    [upTo(1), { 1: 9 }, [[1], 1, 'device.threads']],
    [upTo(2), { 1: 9, 2: 5 }, [[1, 2], 2, 'device.threads']],
    [upTo(2), { 1: 9, 2: 7.9 }, [[1, 2], 1, 'device.threads_slower']],
    [upTo(8), { 1: 9, 2: 5, 4: 3, 8: 2 }, [[1, 2, 4, 8], 8, 'device.threads']],
    [upTo(7), { 1: 9, 2: 5, 4: 4.5, 7: 1 }, [[1, 2, 4], 2, 'device.threads_slower']],
    [upTo(3), { 1: 9, 2: 5, 3: 4 }, [[1, 2, 3], 3, 'device.threads']],
    [upTo(4), { 1: 9, 2: null }, [[1, 2], 1, 'device.threads_failed']],
    [asked(2), { 2: 20 }, [[2], 2, 'device.threads_chosen']],
    [asked(2), { 1: 9, 2: null }, [[2, 1], 1, 'device.threads_failed']],
  ])('%j on %j: %j', (plan, layerMs, expected) => {
    expect(outcome(plan, layerMs)).toEqual(expected);
  });
});
