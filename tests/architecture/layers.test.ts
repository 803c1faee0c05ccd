import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, resolveOurs, sourceFiles } from './source-files.ts';

/** What a folder may import, itself always included (house-style 4). First match decides. */
const MAY_IMPORT: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  ['lib/kernel/', []],
  ['lib/webgpu/', ['lib/kernel/']],
  ['lib/shard/wire/', ['lib/kernel/', 'lib/webgpu/']],
  ['lib/shard/session/', ['lib/kernel/', 'lib/webgpu/', 'lib/shard/wire/']],
  ['lib/shard/stage/core/', ['lib/kernel/', 'lib/webgpu/', 'lib/shard/wire/', 'lib/shard/stage/']],
  [
    'lib/shard/placement/',
    [
      'lib/kernel/',
      'lib/webgpu/',
      'lib/shard/wire/',
      'lib/shard/session/types.ts',
      'lib/shard/package/manifest.ts',
    ],
  ],
  ['lib/shard/package/', ['lib/kernel/', 'lib/webgpu/']],
  ['lib/shard/', ['lib/kernel/', 'lib/webgpu/', 'lib/shard/']],
  ['lib/ledger/crypto/', ['lib/kernel/']],
  // One definition of how many must agree: for votes and for operators' approvals.
  ['lib/ledger/account/', ['lib/kernel/', 'lib/ledger/crypto/', 'lib/ledger/pbft/quorum.ts']],
  ['lib/ledger/pbft/', ['lib/kernel/', 'lib/ledger/crypto/']],
  [
    'lib/ledger/application/',
    ['lib/kernel/', 'lib/ledger/crypto/', 'lib/ledger/account/', 'lib/ledger/pbft/'],
  ],
  ['lib/ledger/', ['lib/kernel/', 'lib/ledger/']],
  ['server/', ['lib/', 'server/']],
  ['components/', ['lib/', 'components/']],
  ['app/', ['lib/', 'components/', 'app/']],
  ['sim/', ['lib/', 'sim/']],
  ['bench/', ['lib/', 'server/', 'sim/', 'bench/', 'tests/support/']],
];

/** Pure cores: they run in the simulator, in a tab and in the gateway to the last line. */
const CORES = [
  'lib/shard/session/',
  'lib/shard/stage/core/',
  'lib/shard/placement/',
  'lib/ledger/account/',
  'lib/ledger/application/',
  'lib/ledger/pbft/',
];

const files = sourceFiles();

test('imports point down only, dynamic ones and workers too', () => {
  const wrong = files.flatMap(({ path, imports }) => {
    const rule = MAY_IMPORT.find(([folder]) => path.startsWith(folder));
    if (!rule) return [`${path}: no rule for its folder`];
    const [own, allowed] = rule;
    return imports.flatMap((specifier) => {
      const target = resolveOurs(path, specifier);
      if (target === null || target.startsWith(own)) return [];
      return allowed.some((folder) => target.startsWith(folder)) ? [] : [`${path} → ${target}`];
    });
  });
  expect(wrong).toEqual([]);
});

test('every import of ours names a file that is there', () => {
  const missing = files.flatMap(({ path, imports }) =>
    imports
      .map((specifier) => resolveOurs(path, specifier))
      .filter((target) => target !== null && !existsSync(join(ROOT, target)))
      .map((target) => `${path} → ${String(target)}`),
  );
  expect(missing).toEqual([]);
});

test('cores are pure: no package with I/O, no clock, no randomness, no dynamic import', () => {
  const banned =
    /\b(setTimeout|setInterval|Date\.now|Math\.random|performance\.now|await|import\()/;
  const wrong = files
    .filter(({ path }) => CORES.some((core) => path.startsWith(core)))
    .flatMap(({ path, text, imports }) => {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const match = banned.exec(code);
      const io = imports.filter(
        (name) => name.startsWith('node:') || /^(socket|dexie|simple)/.test(name),
      );
      return [...(match ? [`${path}: ${match[0]}`] : []), ...io.map((name) => `${path} → ${name}`)];
    });
  expect(wrong).toEqual([]);
});

test('what a tab loads reaches nothing of Node', () => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const queue = files
    .map(({ path }) => path)
    .filter((path) => /^(app|components)\/|\/(worker-)?browser\.ts$/.test(path));
  const cameFrom = new Map<string, string | null>(queue.map((root) => [root, null]));
  const wrong: string[] = [];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    for (const specifier of byPath.get(path)?.imports ?? []) {
      if (specifier.startsWith('node:')) wrong.push(`${path} → ${specifier}, by ${trail(path)}`);
      const target = resolveOurs(path, specifier);
      if (target === null || cameFrom.has(target)) continue;
      cameFrom.set(target, path);
      queue.push(target);
    }
  }
  expect(wrong).toEqual([]);

  function trail(path: string): string {
    const parent = cameFrom.get(path);
    return parent ? `${trail(parent)} → ${path}` : path;
  }
});
