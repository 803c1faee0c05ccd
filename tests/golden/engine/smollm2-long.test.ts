import { expect, it } from 'vitest';
import { NUMERICS } from '#lib/webgpu/model.ts';
import { greedyIds } from '#tests/support/engine.ts';
import { goldenRows } from '#tests/support/golden.ts';
import { SHORT_PROMPT_MAX, loadSmolLm2 } from './smollm2.ts';

const rows = goldenRows().filter((row) => row.promptIds.length > SHORT_PROMPT_MAX);

it.each(NUMERICS)('[E1] greedy ids after 1 066 and 3 156 tokens, %s', async (numerics) => {
  expect(rows.map((row) => row.promptIds.length)).toEqual([1066, 3156]);
  const stage = await loadSmolLm2(numerics);
  for (const row of rows) {
    const ids = await greedyIds(stage, row.promptIds, row.greedyIds.length);
    expect(ids, row.name).toEqual(row.greedyIds);
  }
}, 240_000);
