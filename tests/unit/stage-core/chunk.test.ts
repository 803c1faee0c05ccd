import { describe, expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import {
  emptyStepTimes,
  learnStep,
  loadOf,
  predictMs,
  surpriseAfter,
  type StepTimes,
} from '#lib/shard/stage/core/step-times.ts';
import { node, prepare, rows, session, StageRig } from './rig.ts';
import { longestMs, setPrices, SoloWorld } from './solo-world.ts';

/** About what SmolLM2-135M takes on one thread. */
const PROCESSOR: StepTimes = { base: 2, perRow: 3.6, perAttended: 0.0015 };
/** A step is mostly its start: many rows cost little more than one. */
const GPU: StepTimes = { base: 12, perRow: 0.12, perAttended: 0.00002 };

const TEN_A_ROW: StepTimes = { base: 0, perRow: 10, perAttended: 0 };

function worldOf(cost: StepTimes): SoloWorld {
  const world = new SoloWorld(cost);
  world.tellPrices(cost);
  return world;
}

describe('chunk', () => {
  test('[S12] a chunk beside decode rows keeps no token for longer than the rule', () => {
    for (const cost of [PROCESSOR, GPU]) {
      const world = worldOf(cost);
      world.open(1, 40, 39);
      world.open(2, 3000);
      for (let i = 0; i < 40; i += 1) world.run();
      const beside = world.seen.filter((run) => run.decodeRows > 0 && run.prefillRows > 0);
      expect(beside.length).toBeGreaterThan(10);
      for (const run of beside) expect(run.ms).toBeLessThanOrEqual(longestMs(run.pureMs));
      // And most of what it may take is taken, or the whole chunk.
      const used = beside.slice(0, 5).map(({ ms, pureMs }) => (ms - pureMs) / 40);
      const largest = Math.max(...beside.map(({ prefillRows }) => prefillRows));
      expect(largest === 128 || Math.max(...used) > 0.6).toBe(true);
    }
  });

  test('[S12] where nobody decodes, a chunk fills 250 ms, or what its session has agreed', () => {
    const slow = worldOf({ base: 0, perRow: 10, perAttended: 0 });
    slow.open(1, 3000);
    slow.run();
    slow.run();
    expect(slow.seen.at(-1)?.prefillRows).toBe(25);
    const fast = worldOf(GPU);
    fast.open(1, 3000);
    fast.run();
    fast.run();
    expect(fast.seen.at(-1)?.prefillRows).toBe(128);
  });

  test('[S12] a chunk is short also while the row of an answer is elsewhere in the ring', () => {
    const rig = new StageRig(1);
    const long = { resumeAt: 7, promptLength: 8, ids: Array.from({ length: 8 }, () => 1) };
    rig.order(prepare([1, 2], { resumeAt: 1, promptLength: 2, ids: [1, 2] }));
    rig.fill(0, 1);
    rig.settle();
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 1, id: 2 });
    rig.finish(10);
    setPrices(rig, 0, TEN_A_ROW);
    rig.order(prepare([1, 2], { ...long, session: session(2), chunkRows: 7 }));
    rig.order({ type: 'fill', session: session(2), epoch: 1, starts: [0, 7] });
    expect(rig.core.running?.segments.map((segment) => segment.rows)).toEqual([3]);
  });

  test('[S12] what prefill kept a row waiting before its run is taken off the chunk beside it', () => {
    const rowsBeside = (arrivesAfterMs: number): number[] => {
      const rig = new StageRig(2);
      setPrices(rig, 1, TEN_A_ROW);
      rig.order(prepare([1, 2, 3], { resumeAt: 0, promptLength: 1 }));
      const long = { session: session(2), resumeAt: 16, promptLength: 17, chunkRows: 8 };
      rig.order(prepare([1, 2, 3], long));
      rig.frame(1, rows(1, { session: session(2), rows: 8 }));
      // Nobody waits: three rows, 30 ms. Then a row to decode comes.
      expect(rig.core.running?.segments.map((segment) => segment.rows)).toEqual([3]);
      rig.now += arrivesAfterMs;
      rig.frame(1, rows(1, { rows: 1 }));
      rig.now += 30 - arrivesAfterMs;
      rig.finish(30);
      return rig.core.running?.segments.map((segment) => segment.rows) ?? [];
    };
    expect(rowsBeside(30)).toEqual([1, 3]);
    expect(rowsBeside(20)).toEqual([1, 2]);
    expect(rowsBeside(0)).toEqual([1]);
  });

  test('[S12] a row that is left for the next run has waited for the prefill of this one', () => {
    const rig = new StageRig(2);
    setPrices(rig, 1, TEN_A_ROW);
    for (const i of [1, 2]) {
      rig.order(prepare([1, 2, 3], { session: session(i), resumeAt: 0, promptLength: 1 }));
    }
    const long = { session: session(3), resumeAt: 16, promptLength: 17, chunkRows: 8 };
    rig.order(prepare([1, 2, 3], long));
    rig.frame(1, rows(1, { session: session(3), rows: 8 }));
    const both = [1, 2].map((i) => rows(1, { session: session(i), rows: 1 }));
    rig.now = 30;
    rig.step({ type: 'frames', from: node(1), frames: both });
    rig.finish(30);
    expect(rig.core.running?.segments.map((segment) => segment.rows)).toEqual([1, 3]);
    rig.finish(40);
    expect(rig.core.running?.segments.map((segment) => segment.rows)).toEqual([1]);
  });

  /** An answer on this node alone, and a prompt beside it; rows of the run after a first one. */
  const rowsAfter = (first: { readonly ms: number; readonly turnMs: number }): number[] => {
    const rig = new StageRig(1);
    setPrices(rig, 0, TEN_A_ROW);
    rig.order(prepare([1], { resumeAt: 1, promptLength: 2, ids: [1, 2], maxTokens: 50 }));
    rig.fill(0, 0);
    rig.finish(10);
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 1, id: 2 });
    const ids = Array.from({ length: 41 }, () => 1);
    const long = { session: session(2), resumeAt: 40, promptLength: 41, ids, chunkRows: 8 };
    rig.order(prepare([1], long));
    rig.order({ type: 'fill', session: session(2), epoch: 1, starts: [0] });
    rig.finish(10);
    expect(rig.core.running?.segments.map((segment) => segment.rows)).toEqual([1, 3]);
    rig.finish(first.ms, first.turnMs);
    return rig.core.running?.segments.map((segment) => segment.rows) ?? [];
  };

  test('[S12] what else the thread did between two runs is taken off the chunk', () => {
    expect(rowsAfter({ ms: 40, turnMs: 0 })).toEqual([1, 3]);
    expect(rowsAfter({ ms: 40, turnMs: 10 })).toEqual([1, 2]);
    // Never all of it: a prompt that waits for ever is worse.
    expect(rowsAfter({ ms: 40, turnMs: 400 })).toEqual([1, 1]);
  });

  test('[H3] the next run is planned of all that came while one was at work', () => {
    const rig = new StageRig(2);
    for (const i of [1, 2, 3]) {
      rig.order(prepare([1, 2], { session: session(i), resumeAt: 0, promptLength: 1 }));
      rig.frame(1, rows(1, { session: session(i), rows: 1 }));
      // The first runs; the second is here when it ends, the third waits in the thread's queue.
      if (i === 2) rig.endRun();
    }
    expect(rig.core.running).toBeNull();
    rig.step({ type: 'turn' });
    expect(rig.core.running?.segments.map((segment) => segment.session)).toEqual(
      [2, 3].map(session),
    );
  });

  test('[S12] runs that took longer than predicted make the next ones shorter, for a while', () => {
    expect(surpriseAfter(0, 40, 44)).toBeCloseTo(0.1);
    expect(surpriseAfter(0.2, 40, 30)).toBeGreaterThan(0.19);
    expect(surpriseAfter(0, 0, 40)).toBe(0);
    expect(surpriseAfter(0, 40, 4000)).toBeLessThan(0.3);
    let fading = 0.2;
    for (let i = 0; i < 100; i += 1) fading = surpriseAfter(fading, 40, 40);
    expect(fading).toBeLessThan(0.02);
    const world = worldOf(PROCESSOR);
    world.open(1, 40, 39);
    world.open(2, 3000);
    for (let i = 0; i < 5; i += 1) world.run();
    const calm = world.seen.at(-1);
    const shard = must([...world.rig.core.shards.values()][0], 'it has a shard');
    shard.surprise = 0.25;
    world.run();
    world.run();
    const busy = world.seen.at(-1);
    expect(busy?.ms).toBeLessThan((calm?.ms ?? 0) * 0.95);
    expect(longestMs(busy?.pureMs ?? 0)).toBeGreaterThan((busy?.ms ?? Infinity) * 1.2);
  });

  test('[S12] what rows cost where many are read alone makes no chunk beside an answer too long', () => {
    // Few rows cost twice as much each as many.
    const world = new SoloWorld(({ rows }) => Math.min(1 + 4 * rows, 33 + 2 * rows));
    for (let round = 0; round < 8; round += 1) {
      world.open(2 * round + 1, 1281);
      for (let i = 0; i < 10; i += 1) world.run();
      world.end(2 * round + 1);
      world.open(2 * round + 2, 40, 39);
      for (let i = 0; i < 40; i += 1) world.run();
      const alone = world.seen.length;
      world.open(100 + round, 200);
      for (let i = 0; i < 5; i += 1) world.run();
      for (const run of world.seen.slice(alone))
        expect(run.ms).toBeLessThanOrEqual(longestMs(run.pureMs));
      world.end(2 * round + 2);
      world.end(100 + round);
    }
    expect(Math.max(...world.seen.map(({ prefillRows }) => prefillRows))).toBeGreaterThan(100);
  });

  test('[S12] a row that fits beside no step goes with every second one', () => {
    const world = worldOf({ base: 0, perRow: 100, perAttended: 0 });
    world.open(1, 40, 39);
    world.open(2, 100);
    for (let i = 0; i < 20; i += 1) world.run();
    const shares = world.seen.slice(-8).map(({ prefillRows }) => prefillRows);
    expect(shares.toSorted()).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  });

  test('[S12] nor does a row wait for ever that fits a calm moment alone', () => {
    const world = worldOf({ base: 0, perRow: 28, perAttended: 0 });
    world.open(1, 40, 39);
    world.open(2, 100);
    for (let i = 0; i < 20; i += 1) {
      const shard = must([...world.rig.core.shards.values()][0], 'it has a shard');
      shard.surprise = 0.25;
      world.run();
    }
    const shares = world.seen.slice(-8).map(({ prefillRows }) => prefillRows);
    expect(shares.toSorted()).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  });

  test('[S12] prices are learned from runs as they come, and a slow moment does not stay', () => {
    const times = emptyStepTimes();
    const loads = [loadOf(0, 64), loadOf(64, 1), loadOf(64, 9), loadOf(300, 1), loadOf(300, 7)];
    for (let i = 0; i < 300; i += 1) {
      const load = loads[i % loads.length]!;
      learnStep(times, load, predictMs(PROCESSOR, load));
    }
    for (const load of loads) {
      const ratio = predictMs(times, load) / predictMs(PROCESSOR, load);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.05);
    }
    const decode = loadOf(300, 1);
    learnStep(times, decode, 2000);
    expect(predictMs(times, decode)).toBeLessThan(2.1 * predictMs(PROCESSOR, decode));
    for (let i = 0; i < 6; i += 1) learnStep(times, decode, predictMs(PROCESSOR, decode));
    expect(predictMs(times, decode)).toBeLessThan(1.1 * predictMs(PROCESSOR, decode));
  });
});
