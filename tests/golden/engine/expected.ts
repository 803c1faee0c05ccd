import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import * as z from 'zod/mini';
import { goldenPath } from '#tests/support/golden.ts';

const numbers = z.array(z.number());
const folderFile = z.object({
  cases: z.array(
    z.object({
      ids: numbers,
      positions: numbers,
      logits: z.array(numbers),
      greedyIds: numbers,
    }),
  ),
});
const ggufFile = z.object({ cases: z.array(z.object({ ids: numbers, lastLogits: numbers })) });
const blocksFile = z.array(
  z.object({
    type: z.string(),
    rows: z.number(),
    columns: z.number(),
    rawBase64: z.string(),
    float32Base64: z.string(),
  }),
);

const readJson = (name: string): unknown => JSON.parse(readFileSync(goldenPath(name), 'utf8'));

export const folderCases = (name: string) =>
  folderFile.parse(readJson(`tiny/${name}/expected.json`)).cases;
export const ggufCases = (name: string) =>
  ggufFile.parse(readJson(`gguf/${name}.expected.json`)).cases;
export const rawBlocks = () => blocksFile.parse(readJson('gguf/blocks.json'));

/** Every logit within `share` of the largest absolute one (A2). */
export function expectClose(
  actual: Float32Array,
  expected: readonly number[],
  share = 1e-4,
): void {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? NaN))));
  expect(worst / largest).toBeLessThanOrEqual(share);
}
