import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { isSound, verifyLine, verifyModel } from '#server/models/verify.ts';
import { goldenPath } from '#tests/support/golden.ts';
import {
  ggufBytes,
  tinyFields,
  tinyTensors,
  TINY_DATA_BYTES,
} from '#tests/unit/package/gguf-builder.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-verify-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** ggml's number. */
const F16 = 1;
const id = 'tiny' as ModelId;
async function verify(path: string) {
  await importModel({ path, root, id });
  return verifyModel((await ModelRegistry.open([root])).get(id));
}

/** A folder of F32 weights, the first value of one tensor changed. */
async function withValue(tensor: string, value: number): Promise<string> {
  const folder = join(root, 'source');
  await cp(goldenPath('tiny/llama-tied'), folder, { recursive: true });
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const entry = header[tensor];
  if (entry?.dtype !== 'F32') throw new Error(`no tensor ${tensor} of F32`);
  bytes.writeFloatLE(value, start + entry.data_offsets[0]);
  await writeFile(path, bytes);
  return folder;
}

describe('models verify', () => {
  it.each(['tiny/llama-tied', 'gguf/tiny-q8_0.gguf'])('[K13] %s computes', async (name) => {
    const result = await verify(goldenPath(name));
    expect(result.notFinite).toEqual([]);
    expect(result.step).toEqual({ kind: 'sound' });
    expect(isSound(result)).toBe(true);
    expect(verifyLine(result)).toContain('a step of the model, all right');
  });

  it('[K13] tells of weights that are no numbers, and where', async () => {
    const path = await withValue('model.layers.1.mlp.down_proj.weight', NaN);
    const result = await verify(path);
    expect(result.notFinite).toEqual(['layer/1 mlp-down']);
    expect(result.step).toMatchObject({ kind: 'wrong' });
    expect(isSound(result)).toBe(false);
    expect(verifyLine(result)).toContain('layer/1 mlp-down has weights that are no finite numbers');
  });

  it('[K13] tells of a half that stands for no number, which an engine reads as one', async () => {
    const name = 'blk.0.ffn_down.weight';
    const tensors = tinyTensors().map((one) => (one.name === name ? { ...one, type: F16 } : one));
    const bytes = ggufBytes({ fields: tinyFields(), tensors, dataBytes: TINY_DATA_BYTES });
    const data = new DataView(bytes.buffer, bytes.length - TINY_DATA_BYTES);
    data.setUint16(Number(tensors.find((one) => one.name === name)?.offset), 0x7c01, true);
    const path = join(root, 'odd.gguf');
    await writeFile(path, bytes);
    const result = await verify(path);
    expect(result.notFinite).toEqual(['layer/0 mlp-down']);
    expect(isSound(result)).toBe(false);
  });

  it('[K13] computes nothing with a corrupt chunk', async () => {
    await importModel({ path: goldenPath('tiny/llama-mha'), root, id });
    const chunks = join(root, 'tiny/chunks');
    const [chunk = ''] = await readdir(chunks);
    await writeFile(join(chunks, chunk), 'rotten');
    const result = await verifyModel((await ModelRegistry.open([root])).get(id));
    expect(result.step).toMatchObject({ kind: 'skipped' });
    expect(isSound(result)).toBe(false);
    expect(verifyLine(result)).toContain('1 corrupt');
  });
});
