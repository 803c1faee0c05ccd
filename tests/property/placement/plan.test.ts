import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIB } from '#lib/kernel/units.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import {
  gapsOf,
  memoryNeeded,
  planCluster,
  sameRange,
  stepMs,
  type ClusterPlan,
  type PlacementModel,
  type PlanNode,
} from '#lib/shard/placement/core.ts';
import { modelOf, planNode, speedOf } from '#tests/support/placement.ts';

/** Between "not one layer" and "the whole model twice". */
const memory = fc.integer({ min: 80, max: 400 }).map((mib) => mib * MIB);
const layerMs = fc.integer({ min: 1, max: 12 }).map((n) => n / 4);

const nodesOf = fc
  .array(fc.record({ memoryBytes: memory, layerMs, relayOnly: fc.constant(false) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((list) =>
    list.map((node, index) =>
      planNode(index, { memoryBytes: node.memoryBytes, speed: speedOf(node.layerMs) }),
    ),
  );

const scenario = fc.record({
  layers: fc.integer({ min: 1, max: 6 }),
  nodes: nodesOf,
  minStages: fc.integer({ min: 1, max: 4 }),
});

/** The dumb oracle: every way to cut `layers`, on every choice of different nodes. */
function allCuts(model: PlacementModel, nodes: readonly PlanNode[]): Cut[] {
  const from = (first: number, free: readonly PlanNode[]): Cut[] => {
    if (first === model.shape.layers) return [[]];
    const cuts: Cut[] = [];
    for (const node of free) {
      for (let last = first; last < model.shape.layers; last += 1) {
        const range = { first, last };
        if (memoryNeeded(model, range) > node.memoryBytes) continue;
        for (const rest of from(
          last + 1,
          free.filter((other) => other !== node),
        )) {
          cuts.push([{ node, range }, ...rest]);
        }
      }
    }
    return cuts;
  };
  return from(0, nodes);
}
type Cut = { node: PlanNode; range: LayerRange }[];

const slowest = (model: PlacementModel, cut: Cut): number =>
  Math.max(...cut.map(({ node, range }) => stepMs(model.shape, node.speed, { range, rows: 1 })));

const holdersOf = (plan: ClusterPlan, range: LayerRange) =>
  plan.assignments.filter((entry) => sameRange(entry.range, range));

describe('planCluster against every possible cut', () => {
  it('[P1] ranges are complete and disjoint, or say what is uncovered', () => {
    fc.assert(
      fc.property(scenario, ({ layers, nodes, minStages }) => {
        const plan = planCluster({
          model: modelOf(layers),
          nodes,
          minStages,
          stages: [],
          patient: false,
        });
        const covered = [...plan.stages, ...plan.uncovered].sort((a, b) => a.first - b.first);
        expect(gapsOf(covered, layers)).toEqual([]);
        const total = covered.reduce((sum, range) => sum + range.last - range.first + 1, 0);
        expect(total).toBe(layers);
        for (const range of plan.stages) {
          expect(holdersOf(plan, range).length).toBeGreaterThanOrEqual(1);
        }
        for (const { range } of plan.assignments) {
          if (range) expect(plan.stages).toContainEqual(range);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('[P1] no node holds more than it lends, its take-over included', () => {
    fc.assert(
      fc.property(scenario, ({ layers, nodes, minStages }) => {
        const model = modelOf(layers);
        const plan = planCluster({ model, nodes, minStages, stages: [], patient: false });
        for (const { node, range, takeOver } of plan.assignments) {
          const lent = nodes.find((candidate) => candidate.id === node)?.memoryBytes ?? 0;
          const needed =
            (range ? memoryNeeded(model, range) : 0) +
            (takeOver ? memoryNeeded(model, takeOver) : 0);
          expect(needed).toBeLessThanOrEqual(lent);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('[P1] a take-over is another node than the holder, and there where memory allows one', () => {
    fc.assert(
      fc.property(scenario, ({ layers, nodes, minStages }) => {
        const model = modelOf(layers);
        const plan = planCluster({ model, nodes, minStages, stages: [], patient: false });
        for (const { node, range, takeOver } of plan.assignments) {
          if (takeOver) {
            expect(sameRange(range, takeOver)).toBe(false);
            expect(holdersOf(plan, takeOver).map((entry) => entry.node)).not.toContain(node);
          }
        }
        const roomy = nodes.every((node) => node.memoryBytes >= 390 * MIB);
        if (!roomy || nodes.length < 2) return;
        for (const range of plan.stages) {
          const safe =
            holdersOf(plan, range).length > 1 ||
            plan.assignments.some((entry) => sameRange(entry.takeOver, range));
          expect(safe).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('[P2] as many stages as wanted where they fit, balanced as well as the best cut allows', () => {
    fc.assert(
      fc.property(scenario, ({ layers, nodes, minStages }) => {
        const model = modelOf(layers);
        const plan = planCluster({ model, nodes, minStages, stages: [], patient: false });
        const least = Math.min(minStages, nodes.length, layers);
        const cuts = allCuts(model, nodes).filter((cut) => cut.length >= least);
        expect(plan.uncovered.length === 0).toBe(cuts.length > 0);
        if (cuts.length === 0) return;
        expect(plan.stages.length).toBeGreaterThanOrEqual(least);
        const alike = cuts.filter((cut) => cut.length === plan.stages.length);
        const best = Math.min(...alike.map((cut) => slowest(model, cut)));
        expect(plan.bottleneckMs).toBeLessThanOrEqual(best * 1.05 + 1e-9);
      }),
      { numRuns: 400 },
    );
  });

  it('[P3] planning again from a plan moves nobody', () => {
    fc.assert(
      fc.property(scenario, ({ layers, nodes, minStages }) => {
        const model = modelOf(layers);
        const first = planCluster({ model, nodes, minStages, stages: [], patient: false });
        if (first.uncovered.length > 0) return;
        const settled = nodes.map((node, index) => {
          const { range = null, takeOver = null } = first.assignments[index] ?? {};
          return { ...node, range, takeOver, cached: range ? [range] : [] };
        });
        const again = planCluster({
          model,
          nodes: settled,
          minStages,
          stages: first.stages,
          patient: false,
        });
        expect(again).toEqual(first);
      }),
      { numRuns: 400 },
    );
  });

  it('[P3] when a holder leaves and its range fits elsewhere, the others keep theirs', () => {
    const roomy = fc.array(layerMs, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(roomy, fc.nat(2), fc.integer({ min: 3, max: 6 }), (speeds, leaves, layers) => {
        const model = modelOf(layers);
        const nodes = speeds.map((ms, index) => planNode(index, { speed: speedOf(ms) }));
        const first = planCluster({ model, nodes, minStages: 3, stages: [], patient: false });
        const left = first.assignments[leaves]?.node;
        const rest = nodes
          .map((node, index) => ({ ...node, range: first.assignments[index]?.range ?? null }))
          .filter((node) => node.id !== left);
        const next = planCluster({
          model,
          nodes: rest,
          minStages: 3,
          stages: first.stages,
          patient: false,
        });
        expect(next.stages).toEqual(first.stages);
        const moved = rest.filter(
          (node, index) => !sameRange(node.range, next.assignments[index]?.range ?? null),
        );
        expect(moved.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 200 },
    );
  });
});
