import { beforeAll, describe, expect, it } from 'vitest';
import { NUMERICS } from '#lib/webgpu/model.ts';
import type { Stage, StageFactory } from '#lib/webgpu/stage.ts';
import { goldenPath } from '#tests/support/golden.ts';
import {
  cpuFactory,
  firstDifference,
  greedyIds,
  loadRing,
  loadStage,
  openModel,
  runRing,
  type Model,
} from '#tests/support/engine.ts';
import { expectClose, folderCases, ggufCases } from './expected.ts';

let factory: StageFactory;
beforeAll(async () => {
  factory = await cpuFactory();
});

const FOLDERS = ['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'];

describe.each(FOLDERS)('%s', (name) => {
  const cases = folderCases(name);
  let model: Model;
  let whole: Stage;
  beforeAll(async () => {
    model = await openModel(goldenPath(`tiny/${name}`));
    whole = await loadStage(factory, model, { numerics: 'exact' });
  });

  it.each(cases)('[E2] logits after $ids.length ids, and the greedy ids', async (golden) => {
    const logits = await runRing([whole], [whole.openKv()], Int32Array.from(golden.ids));
    const { vocab } = model.shape;
    golden.positions.forEach((position, i) => {
      const row = logits.subarray(position * vocab, (position + 1) * vocab);
      expectClose(row, golden.logits[i] ?? []);
    });
    const ids = await greedyIds(whole, golden.ids, golden.greedyIds.length);
    expect(ids).toEqual(golden.greedyIds);
  });

  it('[W2] split at every border, and into as many stages as layers, gives the same bits', async () => {
    const { layers } = model.shape;
    const borders = Array.from({ length: layers - 1 }, (_, i) => [0, i + 1]);
    const each = Array.from({ length: layers }, (_, i) => i);
    const ids = Int32Array.from(cases.at(-1)?.ids ?? []);
    const expected = await runRing([whole], [whole.openKv()], ids);
    for (const firsts of [...borders, each]) {
      const ring = await loadRing(factory, model, { numerics: 'exact', firsts });
      const kvs = ring.map((stage) => stage.openKv());
      expect(firstDifference(await runRing(ring, kvs, ids), expected)).toBe(-1);
    }
  });
});

/** Their heads are Q6_K, which the importer turns into Q8_0 at a loss; see tests/golden/package. */
const LOSSY = { exact: 1e-2, int16: 1e-2 };
const FILES = [
  { name: 'tiny-f16', exact: 1e-4, int16: 1e-4 },
  { name: 'tiny-q8_0', exact: 1e-4, int16: 5e-4 },
  { name: 'tiny-q4_0', ...LOSSY },
  { name: 'tiny-q5_0', ...LOSSY },
  { name: 'tiny-q4_k_m', ...LOSSY },
  { name: 'tiny-q5_k_m', ...LOSSY },
];

describe.each(FILES)('$name', ({ name, ...within }) => {
  it.each(NUMERICS)('[E2] last logits, %s', async (numerics) => {
    const model = await openModel(goldenPath(`gguf/${name}.gguf`));
    const stage = await loadStage(factory, model, { numerics });
    for (const { ids, lastLogits } of ggufCases(name)) {
      const logits = await runRing([stage], [stage.openKv()], Int32Array.from(ids));
      expectClose(logits.subarray(-model.shape.vocab), lastLogits, within[numerics]);
    }
  });
});
