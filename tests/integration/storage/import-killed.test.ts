import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { runModels, snapshot, writeTwoLayerGguf, type Step } from './import-process.ts';

let home = '';
let model = '';
let whole: Record<string, string> = {};
let steps: (readonly [operation: string, path: string])[] = [];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'declai-killed-'));
  model = join(home, 'model.gguf');
  await writeTwoLayerGguf(model);
  const logTo = join(home, 'steps');
  const done = await runModels(importTo('whole'), { under: home, logTo });
  expect(done).toMatchObject({ exitCode: 0 });
  whole = await snapshot(join(home, 'whole'));
  const lines = (await readFile(logTo, 'utf8')).trimEnd().split('\n');
  steps = lines.map((line) => line.split('\t') as [string, string]);
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

const importTo = (root: string) => ['import', model, '--id', 'two', '--out', join(home, root)];
const again = (root: string) =>
  importModel({ path: model, root: join(home, root), id: 'two' as ModelId });

/** Names of the two kinds of files that a package is written through. */
const CHUNK = 'chunks/\\.tmp-';
const MANIFEST = 'two/\\.tmp-';
const POINTS: readonly (readonly [when: string, Step])[] = [
  ['before its lock', { operation: 'writeFile', path: '\\.lock', nth: 1 }],
  ['before it knows its source', { operation: 'read', path: 'model\\.gguf$', nth: 2 }],
  ['in half of its first chunk', { operation: 'write', path: CHUNK, nth: 1 }],
  ['before that chunk is on the disk', { operation: 'sync', path: CHUNK, nth: 1 }],
  ['before that chunk has its name', { operation: 'rename', path: 'chunks/', nth: 1 }],
  ['between two chunks of a layer', { operation: 'open', path: CHUNK, nth: 4 }],
  ['in half of a later chunk', { operation: 'write', path: CHUNK, nth: 5 }],
  ['before the last chunk has its name', { operation: 'rename', path: 'chunks/', nth: 7 }],
  ['in half of the manifest', { operation: 'write', path: MANIFEST, nth: 1 }],
  ['before the manifest has its name', { operation: 'rename', path: 'manifest\\.json', nth: 1 }],
];

describe('B4 an import that is killed', () => {
  it.concurrent.each(POINTS)(
    '[K4] %s registers nothing; run again, equal bytes',
    async (when, dieAt) => {
      const root = when.replaceAll(' ', '-');
      const killed = await runModels(importTo(root), { under: home, dieAt });
      expect(killed).toEqual({ exitCode: null, signal: 'SIGKILL', stdout: '' });
      const registry = await ModelRegistry.open([join(home, root)]);
      expect([registry.list(), registry.broken()]).toEqual([[], []]);

      const left = Object.keys(await snapshot(join(home, root)));
      if (dieAt.operation === 'write') expect(left.join()).toContain('.tmp-');
      const kept = await keptChunks(root);
      expect((await again(root)).isNew).toBe(true);
      expect(await snapshot(join(home, root))).toEqual(whole);
      expect(await keptChunks(root)).toMatchObject(kept);
    },
    // Ten processes at once.
    120_000,
  );

  it('[K4] before it gives its lock back has a whole package, and the next is not held up', async () => {
    const dieAt = { operation: 'rm', path: '\\.lock', nth: 1 } as const;
    expect(await runModels(importTo('late'), { under: home, dieAt })).toMatchObject({
      signal: 'SIGKILL',
    });
    expect((await ModelRegistry.open([join(home, 'late')])).has('two')).toBe(true);
    expect((await again('late')).isNew).toBe(false);
    expect(await snapshot(join(home, 'late'))).toEqual(whole);
  });

  /** Whole chunks by name, with the time of their last write. */
  async function keptChunks(root: string): Promise<Record<string, number>> {
    const times: Record<string, number> = {};
    for (const [name, hash] of Object.entries(await snapshot(join(home, root)))) {
      if (!name.endsWith(hash)) continue;
      times[name] = (await stat(join(home, root, name))).mtimeMs;
    }
    return times;
  }
});

describe('B4 an import', () => {
  it('[K4] names a file only when its bytes are on the disk, and the manifest after all chunks', () => {
    const named = steps.flatMap(([operation, path], at) =>
      operation === 'rename' ? [{ at, path }] : [],
    );
    expect(named).toHaveLength(Object.keys(whole).length);
    for (const { at, path } of named) {
      const [before] = steps.slice(0, at).slice(-1);
      expect(before?.[0], path).toBe('sync');
      expect(before?.[1]).toMatch(/\/\.tmp-/);
    }
    expect(named.at(-1)?.path).toMatch(/manifest\.json$/);
    const folders = steps
      .slice(named.at(-2)?.at, named.at(-1)?.at)
      .filter(([, path]) => path.endsWith('/chunks'));
    expect(folders.map(([operation]) => operation)).toEqual(['open', 'sync']);
  });

  it('[K2] two of one file are equal, and two of one folder', async () => {
    await again('second');
    expect(await snapshot(join(home, 'second'))).toEqual(whole);
    const path = goldenPath('tiny/llama-tied');
    const roots = ['hf/one', 'hf/two'].map((name) => join(home, name));
    for (const root of roots) await importModel({ path, root, id: 'tied' as ModelId });
    const [one, two] = await Promise.all(roots.map(snapshot));
    expect(one).toEqual(two);
    expect(Object.keys(one ?? {}).length).toBeGreaterThan(5);
  });

  it('[K5] of two processes at once leaves one sound package', async () => {
    const both = await Promise.all([1, 2].map(() => runModels(importTo('both'), { under: home })));
    for (const { exitCode, stdout } of both) {
      if (exitCode !== 0)
        expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'package/busy' } });
    }
    expect(both.filter(({ exitCode }) => exitCode === 0).length).toBeGreaterThan(0);
    expect(await snapshot(join(home, 'both'))).toEqual(whole);
  });

  it('[K4] on a full disk says so, leaves no rest, and goes on when there is room', async () => {
    const full = await runModels(importTo('full'), { under: home, fileBytesMax: 2 ** 20 });
    expect(full.exitCode).toBe(1);
    expect(JSON.parse(full.stdout)).toMatchObject({ error: { code: 'package/storage-full' } });
    const left = Object.entries(await snapshot(join(home, 'full')));
    expect(left.filter(([name, hash]) => !name.endsWith(hash))).toEqual([]);
    expect(left.length).toBeGreaterThan(0);
    await again('full');
    expect(await snapshot(join(home, 'full'))).toEqual(whole);
    await openPackageFolder(join(home, 'full/two'));
  });
});
