import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import { cpuFactory, greedyIds, loadStage, segmentFor } from '#tests/support/engine.ts';
import { goldenRows } from '#tests/support/golden.ts';

const FOLDER = fileURLToPath(
  new URL('../../../public/models/smollm2-135m-instruct', import.meta.url),
);

/** The embedded model, whole, on the CPU engine. */
export async function loadSmolLm2(numerics: Numerics, threads = 1): Promise<Stage> {
  const { manifest, weights } = await openPackageFolder(FOLDER);
  return loadStage(await cpuFactory(threads), { shape: manifest.shape, weights }, { numerics });
}

/** Prompts past this run in a file of their own: they take most of a minute. */
export const SHORT_PROMPT_MAX = 400;

const rows = goldenRows().filter((row) => row.promptIds.length <= SHORT_PROMPT_MAX);

/**
 * One file for each numerics: they take half a minute each, and files run beside each other. Of the
 * rows alone every `rowStep`th.
 */
export function testShortRows(numerics: Numerics, { threads = 1, rowStep = 1 } = {}): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await loadSmolLm2(numerics, threads);
  });
  afterAll(() => stage.dispose());

  it.each(rows.filter((_, i) => i % rowStep === 0))('[E1] greedy ids of $name', { timeout: 60_000 }, async (row) => {
    const ids = await greedyIds(stage, row.promptIds, row.greedyIds.length);
    expect(ids).toEqual(row.greedyIds);
  });

  it('[E1] eight prompts at once, in ragged batches', { timeout: 60_000 }, async () => {
    const batch = rows.slice(0, 8).map((row) => ({ row, kv: stage.openKv(), ids: [] as number[] }));
    for (let open = batch; open.length > 0; open = batch.filter(isOpen)) {
      const segments = open.map(({ row, kv, ids }) => {
        const input = Int32Array.from(ids.length === 0 ? row.promptIds : ids.slice(-1));
        const at = { index: ids.length, history: NO_HISTORY };
        const want = { kind: 'sample', params: GREEDY, ...at } as const;
        return segmentFor(stage, kv, { input, want });
      });
      const results = await stage.step(segments);
      results.forEach(({ sampledId }, i) => open[i]?.ids.push(sampledId ?? -1));
    }
    for (const { row, ids } of batch) expect(ids, row.name).toEqual(row.greedyIds);
  });
}
type Row = (typeof rows)[number];
const isOpen = ({ row, ids }: { row: Row; ids: number[] }): boolean =>
  ids.length < row.greedyIds.length;
