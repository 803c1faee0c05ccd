import { spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { utf8 } from '#lib/kernel/bytes.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import {
  importModel,
  type ImportOptions,
  type ImportProgress,
} from '#lib/shard/package/import/importer.ts';
import { lockFolder } from '#lib/shard/package/import/lock.ts';
import { removePackage } from '#lib/shard/package/import/remove.ts';
import { manifestHash } from '#lib/shard/package/manifest.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-import-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const id = 'tiny' as ModelId;
const run = (changes: Partial<ImportOptions> = {}) =>
  importModel({ path: goldenPath('gguf/tiny-q8_0.gguf'), root, id, ...changes });

/** Every file under a folder with its hash. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) files[name] = sha256Hex(await readFile(path));
  }
  return files;
}

/** Aborts when the given progress is reached. */
function stopAt(phase: ImportProgress['phase'], share: number): Partial<ImportOptions> {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onProgress: (progress) => {
      const reached = progress.doneBytes >= share * progress.totalBytes;
      if (progress.phase === phase && reached) controller.abort();
    },
  };
}

describe('importer', () => {
  it('[K2] gives the same bytes for the same input', async () => {
    await run();
    await run({ root: join(root, 'again') });
    expect(await snapshot(join(root, 'again/tiny'))).toEqual(await snapshot(join(root, 'tiny')));
  });

  it('[K1] names every chunk by its hash and the manifest by its own', async () => {
    const { manifest, hash } = await run();
    for (const [name, digest] of Object.entries(await snapshot(join(root, 'tiny/chunks')))) {
      expect(name).toBe(digest);
    }
    expect(sha256Hex(await readFile(join(root, 'tiny/manifest.json')))).toBe(hash);
    expect(manifestHash(manifest)).toBe(hash);
    const chunks = [manifest.tokenizer, ...manifest.parts].flatMap((owner) => owner.chunks);
    expect(Object.keys(await snapshot(join(root, 'tiny/chunks')))).toHaveLength(
      new Set(chunks.map((chunk) => chunk.sha256)).size,
    );
  });

  it.each([
    ['hash', 0],
    ['hash', 1],
    ['write', 0.01],
    ['write', 0.3],
    ['write', 0.7],
  ] as const)('[K4] stopped in %s at %d registers nothing and resumes', async (phase, share) => {
    await run({ root: join(root, 'whole') });
    await expect(run(stopAt(phase, share))).rejects.toMatchObject({ code: 'kernel/aborted' });
    const left = await readdir(root, { recursive: true });
    expect(left.filter((name) => /manifest|\.tmp|\.lock/.test(name))).toEqual([
      'whole/tiny/manifest.json',
    ]);
    const kept = await readdir(join(root, 'tiny/chunks')).catch((): string[] => []);
    const times = async () =>
      Promise.all(kept.map(async (name) => (await stat(join(root, 'tiny/chunks', name))).mtimeMs));
    const before = await times();
    expect((await run()).isNew).toBe(true);
    expect(await times()).toEqual(before);
    expect(await snapshot(join(root, 'tiny'))).toEqual(await snapshot(join(root, 'whole/tiny')));
  });

  it('[K4] clears what an import of something else left', async () => {
    const other = { path: goldenPath('gguf/tiny-f16.gguf') };
    await expect(run({ ...other, ...stopAt('write', 0.5) })).rejects.toThrow();
    await mkdir(join(root, 'tiny/chunks'), { recursive: true });
    await writeFile(join(root, 'tiny/chunks/.tmp-1-dead'), 'half a chunk');
    await writeFile(join(root, 'tiny/.tmp-1-dead'), 'half a manifest');
    await run();
    await run({ root: join(root, 'clean') });
    expect(await snapshot(join(root, 'tiny'))).toEqual(await snapshot(join(root, 'clean/tiny')));
  });

  it('[K4] heals a package whose chunks rotted or went away', async () => {
    await run();
    const before = await snapshot(join(root, 'tiny'));
    const [first = '', second = ''] = await readdir(join(root, 'tiny/chunks'));
    await writeFile(join(root, 'tiny/chunks', first), 'rotten');
    await rm(join(root, 'tiny/chunks', second));
    expect((await run()).isNew).toBe(false);
    expect(await snapshot(join(root, 'tiny'))).toEqual(before);
  });

  it('[K4] never replaces another model', async () => {
    await run();
    const before = await snapshot(root);
    const other = { path: goldenPath('gguf/tiny-f16.gguf') };
    await expect(run(other)).rejects.toMatchObject({ code: 'package/exists' });
    await expect(run({ name: 'Another name' })).rejects.toMatchObject({ code: 'package/exists' });
    expect(await snapshot(root)).toEqual(before);
  });

  it('[K5] of two at once makes one sound package; the other waits or is told busy', async () => {
    const results = await Promise.allSettled([run(), run()]);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'package/busy' });
    }
    const done = results.filter((result) => result.status === 'fulfilled');
    expect(done.filter(({ value }) => value.isNew)).toHaveLength(1);
    await openPackageFolder(join(root, 'tiny'));
    expect(await readdir(root)).toEqual(['tiny']);
  });

  it('[K5] takes over the lock of a process that is gone', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('exit', resolve));
    const lock = join(root, '.tiny.lock');
    for (const stale of [`-${child.pid ?? 0}-dead`, '-0-x', '-not a number', '-']) {
      await writeFile(`${lock}${stale}`, '');
      const held = await lockFolder(lock);
      await expect(lockFolder(lock)).rejects.toMatchObject({ code: 'package/busy' });
      await held.check();
      await held.release();
    }
    expect(await readdir(root)).toEqual([]);
  });

  it('[K5] of many that start at once never two hold it', async () => {
    const lock = join(root, '.tiny.lock');
    let holders = 0;
    let passed = 0;
    const contend = async () => {
      const held = await lockFolder(lock).catch(() => null);
      if (!held) return;
      holders += 1;
      passed += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(holders).toBe(1);
      holders -= 1;
      await held.release();
    };
    for (let round = 0; round < 5; round += 1) {
      await writeFile(`${lock}-0-stale`, '');
      await Promise.all(Array.from({ length: 8 }, contend));
    }
    expect(passed).toBeGreaterThanOrEqual(5);
    expect(await readdir(root)).toEqual([]);
  });

  it('[K5] writes no manifest once its lock is gone', async () => {
    const result = run({
      onProgress: ({ phase }) => {
        if (phase !== 'write') return;
        for (const name of readdirSync(root)) if (name.includes('.lock')) rmSync(join(root, name));
      },
    });
    await expect(result).rejects.toMatchObject({ code: 'package/busy' });
    await expect(stat(join(root, 'tiny/manifest.json'))).rejects.toThrow();
  });

  it('[K4] removes a package whole', async () => {
    await run();
    await removePackage(root, id);
    expect(await readdir(root)).toEqual([]);
    await expect(removePackage(root, id)).rejects.toMatchObject({ code: 'package/not-found' });
  });

  it('[K6] tells corrupt and missing chunks of a folder when they are read', async () => {
    const { manifest } = await run();
    const chunk = manifest.parts[1]?.chunks[0]?.sha256 ?? '';
    const { weights } = await openPackageFolder(join(root, 'tiny'));
    await writeFile(join(root, 'tiny/chunks', chunk), utf8('rotten'));
    await expect(weights.part('layer/0')).rejects.toMatchObject({ code: 'package/not-found' });
    await weights.part('layer/1');
  });
});
