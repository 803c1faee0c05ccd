import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { verifyModel } from '#server/models/verify.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-registry-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = (folder: string, id: string, name = 'tiny-q8_0') =>
  importModel({
    path: goldenPath(`gguf/${name}.gguf`),
    root: join(root, folder),
    id: id as ModelId,
  });

const open = () => ModelRegistry.open([join(root, 'data'), join(root, 'public')]);

describe('model registry', () => {
  it('[K9] lists the packages of all roots, the first root’s first', async () => {
    await put('public', 'b');
    await put('data', 'a');
    await put('public', 'a', 'tiny-f16');
    const registry = await open();
    expect(registry.list().map(({ manifest }) => manifest.id)).toEqual(['a', 'b']);
    expect(registry.get('a').manifest.quantisation).toBe('Q8_0');
    expect(registry.byHash(registry.get('b').hash)?.manifest.id).toBe('b');
    expect(() => registry.get('c')).toThrow(
      expect.objectContaining({
        code: 'package/not-found',
        message: expect.stringMatching(/no model c is here \(there is: .+\)/) as string,
      }),
    );
    expect((await registry.openPackage('a')).tokenizer.vocab).toBe(512);
  });

  it('[K9] knows nothing of what came or went until it is refreshed', async () => {
    const registry = await open();
    const { manifest } = await put('data', 'a');
    const chunk = manifest.parts[0]?.chunks[0]?.sha256 as ChunkHash;
    expect(registry.has('a')).toBe(false);
    await registry.refresh();
    expect(registry.chunkPath(chunk)).toBe(join(root, 'data/a/chunks', chunk));
    await rm(join(root, 'data/a'), { recursive: true });
    await registry.refresh();
    expect(registry.list()).toEqual([]);
    expect(registry.chunkPath(chunk)).toBeUndefined();
  });

  it('[K3] sets a broken package aside and serves the others', async () => {
    await put('data', 'a');
    await put('data', 'b');
    await cp(join(root, 'data/a'), join(root, 'data/c'), { recursive: true });
    const path = join(root, 'data/b/manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"rows":512', '"rows":511'));
    const registry = await open();
    expect(registry.list().map(({ manifest }) => manifest.id)).toEqual(['a']);
    expect(registry.broken().map(({ fault }) => fault.code)).toEqual([
      'package/malformed',
      'package/malformed',
    ]);
  });

  it('[K4] finds no package where an import was broken off', async () => {
    await put('data', 'a');
    await rm(join(root, 'data/a/manifest.json'));
    const registry = await open();
    expect(registry.list()).toEqual([]);
    expect(registry.broken()).toEqual([]);
  });

  it('[K6] verify names what is missing and what is corrupt', async () => {
    const { manifest } = await put('data', 'a');
    const [first = '', second = ''] = manifest.parts.map((part) => part.chunks[0]?.sha256 ?? '');
    await writeFile(join(root, 'data/a/chunks', first), 'rotten');
    await rm(join(root, 'data/a/chunks', second));
    const result = await verifyModel((await open()).get('a'));
    expect(result).toMatchObject({ missing: [second], corrupt: [first] });
  });
});
