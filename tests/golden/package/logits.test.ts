import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelId } from '#lib/kernel/ids.ts';
import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import { decodeBlocks } from '#lib/shard/package/import/decode-blocks.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import type { Quant } from '#lib/shard/package/import/quant.ts';
import { SOURCE_BLOCK, type SourceType } from '#lib/shard/package/import/source-types.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { folderCases, ggufCases, rawBlocks } from '#tests/golden/engine/expected.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { dequantise } from './dequantise.ts';
import { referenceLogits } from './reference-llama.ts';

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

async function importGolden(name: string, quant: Quant) {
  const id = `${name.replace(/[^a-z0-9]+/g, '-')}-${quant}` as ModelId;
  const { manifest, losses } = await importModel({ path: goldenPath(name), root, id, quant });
  return { shape: manifest.shape, losses, ...(await openPackageFolder(join(root, id))) };
}

const FOLDERS = ['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'];

describe('imported weights give the reference logits', () => {
  // BF16 stays BF16 or is widened: the values are the same.
  const cases = FOLDERS.flatMap((name) => [
    ['f32', name] as const,
    ...(name === 'mistral' ? [['keep', name] as const] : []),
  ]);
  it.each(cases)('[K8] as %s: tiny/%s', async (quant, name) => {
    const model = await importGolden(`tiny/${name}`, quant);
    for (const row of folderCases(name)) {
      const logits = await referenceLogits(model, row.ids);
      for (const [at, position] of row.positions.entries()) {
        expect(distance(logits[position] ?? [], row.logits[at] ?? [])).toBeLessThan(1e-4);
      }
    }
    expect(model.losses.relativeRms).toBe(0);
  });

  const exact = [
    ['keep', 'tiny-f16'],
    ['keep', 'tiny-q8_0'],
    ['f32', 'tiny-q4_0'],
    ['f32', 'tiny-q5_0'],
    ['f32', 'tiny-q4_k_m'],
    ['f32', 'tiny-q5_k_m'],
  ] as const;
  it.each(exact)('[K8] as %s: gguf/%s', async (quant, name) => {
    const model = await importGolden(`gguf/${name}.gguf`, quant);
    for (const row of ggufCases(name)) {
      const logits = await referenceLogits(model, row.ids);
      expect(distance(logits.at(-1) ?? [], row.lastLogits)).toBeLessThan(1e-4);
    }
    expect(model.losses.relativeRms).toBe(0);
  });

  // The head of all four is Q6_K, whose blocks of 16 become blocks of 32 with one scale.
  it.each([
    ['tiny-q4_0', 5e-3],
    ['tiny-q5_0', 5e-3],
    ['tiny-q4_k_m', 1e-3],
    ['tiny-q5_k_m', 1e-3],
  ])('[K12] gguf/%s as kept, within the loss that is told', async (name, wholeMax) => {
    const model = await importGolden(`gguf/${name}.gguf`, 'keep');
    const { tensors, relativeRms } = model.losses;
    expect(relativeRms).toBeLessThan(wholeMax);
    const largest = Math.max(...tensors.map((loss) => loss.relativeRms));
    expect(largest).toBeLessThan(5e-3);
    for (const row of ggufCases(name)) {
      const logits = await referenceLogits(model, row.ids);
      expect(distance(logits.at(-1) ?? [], row.lastLogits)).toBeLessThan(2 * largest);
    }
  });
});

describe('block formats', () => {
  it.each(rawBlocks())('[K8] $type is read as ggml reads it', ({ type, ...block }) => {
    if (!isSourceType(type)) throw new Error(`no format ${type}`);
    const bytes = new Uint8Array(Buffer.from(block.rawBase64, 'base64'));
    const expected = new Uint8Array(Buffer.from(block.float32Base64, 'base64'));
    expect(new Uint8Array(decodeBlocks(type, bytes).buffer)).toEqual(expected);
    if (!isStored(type)) return;
    const { rows, columns: cols } = block;
    const slow = dequantise({ type, rows, cols, bytes });
    expect(new Uint8Array(slow.buffer)).toEqual(expected);
  });
});

const isStored = (type: string): type is TensorType => Object.hasOwn(BLOCK, type);
const isSourceType = (type: string): type is SourceType => Object.hasOwn(SOURCE_BLOCK, type);
