import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';
import { openModel, type Model } from '#tests/support/engine.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { GpuTab } from '#tests/support/gpu-tab/gpu-tab.ts';
import { expectClose, folderCases } from '../engine/expected.ts';

/**
 * GPU stages in a tab, WebGPU in software: it compiles for seconds what a GPU does in milliseconds,
 * so one tab serves all tests, and each rule is tested once.
 */
let tab: GpuTab;
beforeAll(async () => {
  tab = await GpuTab.open();
});
afterAll(() => tab.close());

// First of all: nothing is compiled yet.
it('[D9] after warm-up no step compiles a shader', { timeout: 60_000 }, async () => {
  await tab.load('q4_0', await openModel(goldenPath('gguf/tiny-q4_0.gguf')), [0]);
  const rows = [3, 8, 31, 100];
  const [warm, ...later] = await tab.run('compiled', { rows, sessions: [3, 8, 16] });
  expect(warm).toBeGreaterThan(10);
  expect(later).toEqual(later.map(() => 0));
  await tab.load('q4_0', await openModel(goldenPath('gguf/tiny-q4_0.gguf')), [0]);
  expect(await tab.run('compiled', { rows: [], sessions: [] })).toEqual([0]);
});

const CASES =
  /^gpu, exact > .*(chunks of 5 |ragged|company|truncated|\[0,1,2,3\]|sampled|(alone|top-k|min-p|penalties): the id that all|probabilities|short of pages|share pages|kept pages|refuses|lost)/;

it('[W1] [W2] [W3] [W4] [W5] [W8] [S3] [S8] the contract of stages', { timeout: 90_000 }, async () => {
  const results = await tab.run('suite', { only: CASES.source });
  expect(results.filter(({ error }) => error !== null)).toEqual([]);
  expect(results.length).toBe(17);
});

const FOLDERS = ['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'].filter(
  (name) => existsSync(goldenPath(`tiny/${name}/expected.json`)),
);

describe.each(FOLDERS)('%s', (name) => {
  const cases = folderCases(name).filter(({ ids }) => ids.length > 1 && ids.length <= 64);
  const longest = must(cases.at(-1), 'a short prompt');
  let model: Model;
  beforeAll(async () => {
    model = await openModel(goldenPath(`tiny/${name}`));
  });

  it('[D4] logits and greedy ids, whole', { timeout: 60_000 }, async () => {
    await tab.load(name, model, [0]);
    for (const golden of cases) await expectLogits(golden);
    const { ids, greedyIds } = longest;
    expect(await tab.run('greedy', { ids, count: greedyIds.length })).toEqual(greedyIds);
  });

  it('[D4] [W2] logits, a stage for each layer', { timeout: 60_000 }, async () => {
    const firsts = Array.from({ length: model.shape.layers }, (_, layer) => layer);
    await tab.load(name, model, firsts);
    await expectLogits(longest);
  });
});

async function expectLogits(golden: ReturnType<typeof folderCases>[number]): Promise<void> {
  const { ids, positions, logits } = golden;
  const rows = await tab.run('logits', { ids, positions });
  expect(rows.length).toBe(logits.length);
  rows.forEach((row, i) => {
    expectClose(Float32Array.from(row), must(logits[i], 'a golden row'));
  });
}

/** 200 in `npm run test:full`; from which on, to run them in pieces. */
const SEEDS = Number(process.env['GPU_SEEDS'] ?? 3);
const FROM = Number(process.env['GPU_SEEDS_FROM'] ?? 1);

it('[W1] [W3] [W8] [S3] sessions by chance, beside the processor', { timeout: 600_000 }, async () => {
  const seeds = Array.from({ length: SEEDS }, (_, seed) => seed + FROM);
  const runs = await tab.run('interleave', { seeds });
  expect(runs.flatMap(({ wrong }, i) => (wrong === null ? [] : [`seed ${i + FROM}: ${wrong}`]))).toEqual([]);
  const sum = (of: 'steps' | 'rollBacks' | 'short' | 'shared') => runs.reduce((all, run) => all + run[of], 0);
  // A run in which nothing was rolled back or shared, and no page was short, has shown nothing.
  const counts = [sum('steps'), sum('rollBacks'), sum('short'), sum('shared')];
  expect(Math.min(...counts)).toBeGreaterThan(0);
});

it('[D6] a hundred sessions leave no page and no buffer', { timeout: 60_000 }, async () => {
  await tab.load('llama-mha', await openModel(goldenPath('tiny/llama-mha')), [0]);
  const { pagesFree, memoryBytes, buffers } = await tab.run('sessions', { count: 100 });
  expect(pagesFree[1]).toBe(pagesFree[0]);
  expect(memoryBytes[1]).toBe(memoryBytes[0]);
  expect(buffers[0]).toBeGreaterThan(0);
  expect(buffers[1]).toBe(buffers[0]);
});

it.each<[string, Partial<ModelShape>]>([
  ['a head width that rotary embedding does not take', { headDim: 8 }],
  ['a context past the tables', { contextMax: 2 ** 20 }],
])('[D7] %s is refused', async (_, change) => {
  const { shape } = await openModel(goldenPath('tiny/llama-mha'));
  const refused = await tab.run('refusal', { shape: { ...shape, ...change } });
  expect(refused).toBe('engine/unsupported');
});

it('[D6] a step that the GPU has no memory for changes nothing, and goes through once there is', async () => {
  await tab.load('llama-mha', await openModel(goldenPath('tiny/llama-mha')), [0]);
  const golden = must(folderCases('llama-mha')[2], 'a prompt of 33 ids');
  const ids = golden.ids;
  expect(await tab.run('spoil', { what: 'buffers', ids })).toEqual(['engine/out-of-memory', 0]);
  await expectLogits(golden);
});

it.each([0, 30])(
  '[D5] a device that goes %i ms after a step began is lost, and another answers',
  { timeout: 60_000 },
  async (afterMs) => {
    const model = await openModel(goldenPath('tiny/llama-mha'));
    const golden = must(folderCases('llama-mha')[2], 'a prompt of 33 ids');
    await tab.load('llama-mha', model, [0]);
    const lost = await tab.run('lose', { ids: golden.ids, afterMs });
    expect(lost).toEqual(['engine/lost', 'engine/lost']);
    await tab.load('llama-mha', model, [0]);
    await expectLogits(golden);
  },
);

it('[D5] a shader that is not compiled loses the device, and another answers', { timeout: 60_000 }, async () => {
  const model = await openModel(goldenPath('tiny/llama-mha'));
  const golden = must(folderCases('llama-mha')[2], 'a prompt of 33 ids');
  const { ids } = golden;
  // Another device: nothing is compiled on it.
  await tab.load('llama-mha', model, [0]);
  await tab.run('lose', { ids, afterMs: 0 });
  await tab.load('llama-mha', model, [0]);
  const [code] = await tab.run('spoil', { what: 'shaders', ids });
  expect(code).toBe('engine/lost');
  await tab.load('llama-mha', model, [0]);
  await expectLogits(golden);
});
