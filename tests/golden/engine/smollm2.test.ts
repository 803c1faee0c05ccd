import { beforeAll, describe, expect, it } from 'vitest';
import { NUMERICS } from '#lib/webgpu/model.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { greedyIds, segmentFor } from '#tests/support/engine.ts';
import { goldenRows } from '#tests/support/golden.ts';
import { SHORT_PROMPT_MAX, loadSmolLm2 } from './smollm2.ts';

const rows = goldenRows().filter((row) => row.promptIds.length <= SHORT_PROMPT_MAX);

describe.each(NUMERICS)('SmolLM2-135M-Instruct, %s', (numerics) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await loadSmolLm2(numerics);
  });

  it.each(rows)('[E1] greedy ids of $name', { timeout: 60_000 }, async (row) => {
    const ids = await greedyIds(stage, row.promptIds, row.greedyIds.length);
    expect(ids).toEqual(row.greedyIds);
  });

  it('[E1] eight prompts at once, in ragged batches', { timeout: 60_000 }, async () => {
    const batch = rows.slice(0, 8).map((row) => ({ row, kv: stage.openKv(), ids: [] as number[] }));
    for (let open = batch; open.length > 0; open = batch.filter(isOpen)) {
      const segments = open.map(({ row, kv, ids }) => {
        const input = Int32Array.from(ids.length === 0 ? row.promptIds : ids.slice(-1));
        const want = { kind: 'sample', params: GREEDY, index: ids.length } as const;
        return segmentFor(stage, kv, { input, want });
      });
      const results = await stage.step(segments);
      results.forEach(({ sampledId }, i) => open[i]?.ids.push(sampledId ?? -1));
    }
    for (const { row, ids } of batch) expect(ids, row.name).toEqual(row.greedyIds);
  });
});

type Row = (typeof rows)[number];
const isOpen = ({ row, ids }: { row: Row; ids: number[] }): boolean =>
  ids.length < row.greedyIds.length;
