import { describe, expect, it } from 'vitest';
import { MIB, instantMs } from '#lib/kernel/units.ts';
import {
  gainOf,
  noReplan,
  planCluster,
  scaleSpeed,
  stepReplan,
  type ClusterPlan,
  type PlanNode,
} from '#lib/shard/placement/core.ts';
import { modelOf, nodeId, planNode, shapeOf, speedOf } from '#tests/support/placement.ts';

const smol = modelOf(30);
const plan = (nodes: readonly PlanNode[], minStages: number, stages: ClusterPlan['stages'] = []) =>
  planCluster({ model: smol, nodes, minStages, stages, patient: false });

describe('who holds what', () => {
  it('[P1] three equal nodes share SmolLM2 as 13, 13 and 4 with the head', () => {
    const { stages } = plan([planNode(0), planNode(1), planNode(2)], 3);
    const layers = stages.map(({ first, last }) => last - first + 1);
    expect(layers).toEqual([13, 13, 4]);
  });

  it('[P1] with no spare each of three takes over one of the others', () => {
    const { assignments } = plan([planNode(0), planNode(1), planNode(2)], 3);
    const takeOvers = assignments.map((entry) => entry.takeOver);
    expect(new Set(takeOvers.map((range) => range?.first)).size).toBe(3);
    assignments.forEach((entry) => expect(entry.takeOver).not.toEqual(entry.range));
  });

  it('[P2] one node that fits answers alone; further nodes are routes of their own', () => {
    const { stages, assignments } = plan([planNode(0), planNode(1), planNode(2)], 1);
    expect(stages).toEqual([{ first: 0, last: 29 }]);
    assignments.forEach((entry) => expect(entry.range).toEqual({ first: 0, last: 29 }));
  });

  it('[P2] nodes that lend too little share the model without being asked to', () => {
    const small = { memoryBytes: 320 * MIB };
    const { stages, uncovered } = plan([planNode(0, small), planNode(1, small)], 1);
    expect(uncovered).toEqual([]);
    expect(stages).toHaveLength(2);
  });

  it('[P2] fewer nodes than wanted make fewer stages', () => {
    expect(plan([planNode(0), planNode(1)], 3).stages).toHaveLength(2);
    expect(plan([planNode(0)], 3).stages).toHaveLength(1);
  });

  it('[P2] while more are expected the first of three gets a third, not everything', () => {
    const request = { model: smol, minStages: 3, patient: true };
    const one = planCluster({ ...request, nodes: [planNode(0)], stages: [] });
    expect(one.stages.map(({ first, last }) => last - first + 1)).toEqual([13, 13, 4]);
    expect(one.assignments[0]?.range).toEqual({ first: 0, last: 12 });
    expect(one.uncovered).toEqual([{ first: 13, last: 29 }]);
    const nodes = [planNode(0, { range: { first: 0, last: 12 } }), planNode(1)];
    const two = planCluster({ ...request, nodes, stages: one.stages });
    expect(two.stages).toEqual(one.stages);
    expect(two.assignments[0]?.range).toEqual({ first: 0, last: 12 });
    expect(two.assignments[1]?.range).toEqual({ first: 13, last: 25 });
  });

  it('[P1] a hole keeps the take-over that was named for it', () => {
    const stages = plan([planNode(0), planNode(1), planNode(2)], 3).stages;
    const [a, b, c] = stages as [(typeof stages)[0], (typeof stages)[0], (typeof stages)[0]];
    const nodes = [
      planNode(0, { range: a, takeOver: b, cached: [a, b] }),
      planNode(1, { range: b, takeOver: c, cached: [b, c] }),
    ];
    const left = planCluster({ model: smol, nodes, minStages: 3, stages, patient: true });
    expect(left.assignments).toEqual([
      { node: nodeId(0), range: a, takeOver: b },
      { node: nodeId(1), range: b, takeOver: c },
    ]);
    expect(left.uncovered).toEqual([c]);
  });

  it('[P2] a fourth node copies the slowest range of three', () => {
    const nodes = [planNode(0), planNode(1), planNode(2), planNode(3)];
    const { assignments, stages } = plan(nodes, 3);
    expect(stages).toHaveLength(3);
    expect(assignments.every((entry) => entry.range !== null)).toBe(true);
  });

  it('[P3] a node that returns gets the missing range that it has cached', () => {
    const stages = [
      { first: 0, last: 12 },
      { first: 13, last: 25 },
      { first: 26, last: 29 },
    ];
    const [a, b, c] = stages as [(typeof stages)[0], (typeof stages)[0], (typeof stages)[0]];
    const back = planNode(9, { cached: [b] });
    const next = plan([planNode(0, { range: a }), planNode(2, { range: c }), back], 3, stages);
    expect(next.assignments.find((entry) => entry.node === nodeId(9))?.range).toEqual(b);
    expect(next.stages).toEqual(stages);
  });

  it('[M6] a node behind the relay holds nothing alone when another choice exists', () => {
    const nodes = [planNode(0, { relayOnly: true }), planNode(1), planNode(2)];
    const { assignments, stages } = plan(nodes, 2);
    expect(stages).toHaveLength(2);
    for (const range of stages) {
      const holders = assignments.filter((entry) => entry.range?.first === range.first);
      expect(holders.some((entry) => entry.node !== nodeId(0))).toBe(true);
    }
    const forced = plan([planNode(0, { relayOnly: true }), planNode(1)], 2);
    expect(forced.stages).toHaveLength(2);
  });

  it('[P1] what does not fit is said, from the first layer on', () => {
    const { stages, uncovered } = plan([planNode(0, { memoryBytes: 200 * MIB })], 1);
    expect(stages[0]?.first).toBe(0);
    expect(uncovered).toEqual([{ first: (stages[0]?.last ?? 0) + 1, last: 29 }]);
  });

  it('[P1] a swarm of forty cuts a deep model by bisection, balanced', () => {
    const deep = modelOf(160);
    const nodes = Array.from({ length: 40 }, (_, n) =>
      planNode(n, { memoryBytes: 400 * MIB, speed: speedOf(0.2 + (n % 4) * 0.1) }),
    );
    const { stages, uncovered, bottleneckMs } = planCluster({
      model: deep,
      nodes,
      minStages: 12,
      stages: [],
      patient: false,
    });
    expect(uncovered).toEqual([]);
    expect(stages.length).toBeGreaterThanOrEqual(12);
    expect(bottleneckMs).toBeLessThan(160 * 0.5);
  });

  it('[P1] a speed measured on another shape is scaled by its weights', () => {
    const twice = { ...shapeOf(30), mlp: 1536 * 2, vocab: 49_152 * 2 };
    const scaled = scaleSpeed(speedOf(1), shapeOf(30), twice);
    expect(scaled.layerMs[0]).toBeGreaterThan(1.5);
    expect(scaled.headMs[0]).toBeCloseTo(19);
  });
});

describe('when a better cut is worth its moves', () => {
  const at = (ms: number) => instantMs(ms);

  it('[P3] only after 10 s of 20 % gain', () => {
    let state = noReplan;
    for (let t = 0; t < 10_000; t += 500) {
      const step = stepReplan(state, 0.25, at(t));
      expect(step.go).toBe(false);
      state = step.state;
    }
    expect(stepReplan(state, 0.25, at(10_000)).go).toBe(true);
    expect(stepReplan(state, 0.19, at(10_000)).go).toBe(false);
  });

  it('[P3] a gain that breaks off begins anew', () => {
    let { state } = stepReplan(noReplan, 0.25, at(0));
    ({ state } = stepReplan(state, 0.1, at(9_000)));
    ({ state } = stepReplan(state, 0.25, at(9_500)));
    expect(stepReplan(state, 0.25, at(12_000)).go).toBe(false);
    expect(stepReplan(state, 0.25, at(19_500)).go).toBe(true);
  });

  it('[P3] at most once in 30 s', () => {
    let { state, go } = stepReplan({ gainSince: at(0), lastAt: null }, 0.5, at(10_000));
    expect(go).toBe(true);
    ({ state } = stepReplan(state, 0.5, at(10_001)));
    ({ state, go } = stepReplan(state, 0.5, at(39_999)));
    expect(go).toBe(false);
    expect(stepReplan(state, 0.5, at(40_000)).go).toBe(true);
  });

  it('[P3] the gain counts the slowest stage, or the round where stages differ in number', () => {
    const of = (stages: number, bottleneckMs: number, roundMs: number) =>
      ({
        stages: Array.from({ length: stages }, (_, i) => ({ first: i, last: i })),
        assignments: [],
        spares: [],
        uncovered: [],
        bottleneckMs,
        roundMs,
      }) satisfies ClusterPlan;
    expect(gainOf(of(3, 10, 20), of(3, 5, 20))).toBeCloseTo(0.5);
    expect(gainOf(of(3, 10, 20), of(1, 15, 15))).toBeCloseTo(0.25);
  });
});
