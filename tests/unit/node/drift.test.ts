import { describe, expect, it } from 'vitest';
import type { EngineChoice } from '#lib/webgpu/capability/choose-engine.ts';
import { DriftWatch, driftOf, type DriftFacts } from '#lib/shard/runtime/drift.ts';
import { NODE } from '#lib/shard/runtime/limits.ts';
import { modelOf } from '#tests/support/placement.ts';

const { shape } = modelOf(30);
const measured: EngineChoice = {
  ...{ layerMs: [1, 2, 8], headMs: [5, 6, 12] },
  ...{ engine: 'cpu-wasm', reason: 'device.no_webgpu', memoryBytes: 1 },
};
const facts = (steps: number, stepMsP50: number, stepRows = 1): DriftFacts => ({
  ...{ shape, measured, range: { first: 0, last: 9 } },
  view: { steps, stepMsP50, stepRows },
});

/** Seconds of work at these step times until the watch says so; infinity: it never does. */
function secondsUntil(stepMsOf: (second: number) => number, idle = false): number {
  const watch = new DriftWatch();
  let told = Infinity;
  for (let second = 1; second <= 300; second += 1) {
    const steps = idle ? 1 : second;
    if (watch.tick(facts(steps, stepMsOf(second)), second * 1000)) told = Math.min(told, second);
  }
  return told;
}

describe('drift of live steps', () => {
  it('[N11] is their time by that of the measured layers', () => {
    expect(driftOf(facts(1, 10))).toBe(1);
    expect(driftOf(facts(1, 30, 8))).toBe(1.5);
    expect(driftOf(facts(1, 0, 0))).toBe(null);
  });

  it('[N11] counts after a minute of work in a row, in both directions', () => {
    const minute = NODE.driftMs / 1000;
    expect(secondsUntil(() => 14)).toBe(minute);
    expect(secondsUntil(() => 7)).toBe(minute);
    expect(secondsUntil(() => 12.9)).toBe(Infinity);
    expect(secondsUntil((second) => (second % 50 === 0 ? 10 : 20))).toBe(Infinity);
  });

  it('[N11] an idle node drifts nowhere', () => {
    expect(secondsUntil(() => 20, true)).toBe(Infinity);
  });
});
