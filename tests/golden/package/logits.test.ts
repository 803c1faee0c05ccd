import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import type { ModelId } from '#lib/kernel/ids.ts';
import { TENSOR_TYPES, type TensorType } from '#lib/webgpu/model.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { dequantise } from './dequantise.ts';
import { goldenPath } from './golden-files.ts';
import { referenceLogits } from './reference-llama.ts';

const folderCases = z.array(
  z.object({
    ids: z.array(z.number()),
    positions: z.array(z.number()),
    logits: z.array(z.array(z.number())),
  }),
);
const ggufCases = z.array(z.object({ ids: z.array(z.number()), lastLogits: z.array(z.number()) }));
const read = (name: string): { cases: unknown } =>
  z.object({ cases: z.unknown() }).parse(JSON.parse(readFileSync(goldenPath(name), 'utf8')));

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-logits-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Largest difference, as a share of the largest absolute logit. */
function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? NaN)))) / largest;
}

async function importGolden(name: string) {
  const id = name.replace(/[^a-z0-9]+/g, '-') as ModelId;
  const { manifest } = await importModel({ path: goldenPath(name), root, id });
  return { shape: manifest.shape, ...(await openPackageFolder(join(root, id))) };
}

describe('imported weights give the reference logits', () => {
  it.each(['llama-tied', 'llama3-rope', 'llama-mha'])('[K8] tiny/%s', async (name) => {
    const model = await importGolden(`tiny/${name}`);
    for (const row of folderCases.parse(read(`tiny/${name}/expected.json`).cases)) {
      const logits = await referenceLogits(model, row.ids);
      for (const [at, position] of row.positions.entries()) {
        expect(distance(logits[position] ?? [], row.logits[at] ?? [])).toBeLessThan(1e-4);
      }
    }
  });

  it.each(['tiny-f16', 'tiny-q8_0'])('[K8] gguf/%s', async (name) => {
    const model = await importGolden(`gguf/${name}.gguf`);
    for (const row of ggufCases.parse(read(`gguf/${name}.expected.json`).cases)) {
      const logits = await referenceLogits(model, row.ids);
      expect(distance(logits.at(-1) ?? [], row.lastLogits)).toBeLessThan(1e-4);
    }
  });
});

describe('stored block formats', () => {
  const blocks = z
    .array(
      z.object({
        type: z.string(),
        rows: z.number(),
        columns: z.number(),
        rawBase64: z.string(),
        float32Base64: z.string(),
      }),
    )
    .parse(JSON.parse(readFileSync(goldenPath('gguf/blocks.json'), 'utf8')));
  const isStored = (type: string): type is TensorType => TENSOR_TYPES.some((name) => name === type);

  it.each(blocks.filter(({ type }) => isStored(type)))('[K8] $type is read as ggml reads it', (block) => {
    const { type, rows, columns: cols } = block;
    if (!isStored(type)) throw new Error('filtered above');
    const bytes = new Uint8Array(Buffer.from(block.rawBase64, 'base64'));
    const expected = new Uint8Array(Buffer.from(block.float32Base64, 'base64'));
    const values = dequantise({ type, rows, cols, bytes });
    expect(new Uint8Array(values.buffer)).toEqual(expected);
  });
});
