import { expect, it } from 'vitest';
import type { GraphRunner, RunInput, RunOutput } from '#lib/webgpu/gpu/graph-runner.ts';
import type { LogitsReader } from '#lib/webgpu/gpu/head/logits-reader.ts';
import type { KvGroups } from '#lib/webgpu/gpu/kv/kv-groups.ts';
import { StepRunner, type Placed } from '#lib/webgpu/gpu/step-runner.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { Want } from '#lib/webgpu/stage.ts';

const SHAPE = { hidden: 2, vocab: 5 } as ModelShape;
const GROUP = { id: 1, capacity: 256, members: [7, null, 8, 9], buffers: [] };

const placed = (slot: number, firstPosition: number, want: Want): Placed => {
  const hidden = Float32Array.of(slot, -slot);
  return { slot, segment: { kv: slot, firstPosition, rows: 1, ids: null, hidden, want } };
};
const lengthOf = (slot: number): number => 100 + slot;

/** A graph that gives back its hidden rows, or logits that it names, and writes down its runs. */
function runnerOf(output: (input: RunInput) => RunOutput) {
  const inputs: RunInput[] = [];
  const runner: Pick<GraphRunner, 'run'> = {
    run: (input, take) => {
      inputs.push(input);
      return take(output(input));
    },
  };
  return { inputs, runner: runner as GraphRunner };
}

const groups = { groupOf: () => GROUP } as unknown as KvGroups;

it('[D10] rows of several sessions are one run, each in its slot at its position', async () => {
  const { inputs, runner } = runnerOf(({ hidden }) => hidden);
  const steps = new StepRunner({ shape: SHAPE, runner, groups, reader: null, embedding: null });
  const results = await steps.together(
    [placed(9, 33, { kind: 'hidden' }), placed(7, 4, { kind: 'none' })],
    lengthOf,
  );
  expect(inputs).toEqual([
    {
      ...{ rows: 1, group: GROUP, headRows: [0] },
      hidden: Float32Array.of(7, -7, 0, 0, 0, 0, 9, -9),
      // Slot 8 has no row here: what is computed for it goes behind its 108 positions.
      last: Int32Array.of(4, 0, 108, 33),
    },
  ]);
  expect(results).toEqual([
    { hidden: Float32Array.of(9, -9), logits: null, sampledId: null },
    { hidden: null, logits: null, sampledId: null },
  ]);
});

it('[S8] whole rows of logits are read only where the best ids do not say', async () => {
  const { runner } = runnerOf(() => ({ buffer: {} as GPUBuffer, rows: 4 }));
  const read: number[] = [];
  const sums = { top: 3, sum: 2, drawSum: 2, drawnId: 0, drawnBefore: 0, drawnWeight: 1 };
  const row = { ids: Uint32Array.of(4, 1), logits: Float32Array.of(3, 2), floor: 1, ...sums };
  const reader: Pick<LogitsReader, 'top' | 'rows'> = {
    top: ({ rows }) => Promise.resolve(Array.from({ length: rows }, () => row)),
    rows: (_, first) => {
      read.push(first);
      return Promise.resolve(Float32Array.of(0, 2, 1, 1, 3));
    },
  };
  const steps = new StepRunner({
    ...{ shape: SHAPE, runner, groups, embedding: null },
    reader: reader as LogitsReader,
  });
  const sample = (params: object): Want => {
    return { kind: 'sample', params: { ...GREEDY, ...params }, index: 0, history: NO_HISTORY };
  };
  const bias = { repetition: 1, presence: 0, frequency: 0, bias: [[2, 9]] as const };
  const results = await steps.together(
    [placed(7, 0, sample({})), placed(8, 0, sample({ penalties: bias }))],
    lengthOf,
  );
  expect(results.map(({ sampledId }) => sampledId)).toEqual([4, 2]);
  expect(read).toEqual([2]);
});
