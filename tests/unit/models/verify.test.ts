import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { canonicalJson } from '#lib/kernel/canonical.ts';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { readManifest } from '#lib/shard/package/server.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { isSound, verifyLine, verifyModel } from '#server/models/verify.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-verify-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const id = 'tiny' as ModelId;
async function verify(path: string) {
  await importModel({ path, root, id });
  return verifyModel((await ModelRegistry.open([root])).get(id));
}

interface Planted {
  readonly part: string;
  readonly tensor: string;
  readonly bytes: readonly number[];
}

/** A package whose hashes are right, the first bytes of one tensor changed: no import makes it. */
async function verifyPlanted(path: string, { part: key, tensor, bytes }: Planted) {
  await importModel({ path, root, id });
  const folder = join(root, id);
  const manifest = await readManifest(folder);
  const part = must(
    manifest.parts.find((one) => one.key === key),
    'the part is there',
  );
  const [chunk] = part.chunks;
  const at = part.tensors.find(({ name }) => name === tensor)?.offset;
  if (!chunk || part.chunks.length > 1 || at === undefined) throw new Error('one chunk with it');
  const data = await readFile(join(folder, 'chunks', chunk.sha256));
  data.set(bytes, at);
  chunk.sha256 = sha256Hex(data);
  await writeFile(join(folder, 'chunks', chunk.sha256), data);
  await writeFile(join(folder, 'manifest.json'), canonicalJson(manifest));
  return verifyModel((await ModelRegistry.open([root])).get(id));
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
    const result = await verifyPlanted(goldenPath('tiny/llama-tied'), {
      ...{ part: 'layer/1', tensor: 'mlp-down', bytes: [0, 0, 0xc0, 0x7f] },
    });
    expect(result.notFinite).toEqual(['layer/1 mlp-down']);
    expect(result.step).toMatchObject({ kind: 'wrong' });
    expect(isSound(result)).toBe(false);
    expect(verifyLine(result)).toContain('layer/1 mlp-down has weights that are no finite numbers');
  });

  it('[K13] tells of a half that stands for no number, which an engine reads as one', async () => {
    const result = await verifyPlanted(goldenPath('gguf/tiny-f16.gguf'), {
      ...{ part: 'layer/0', tensor: 'mlp-down', bytes: [0x01, 0x7c] },
    });
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
