import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { SimCore } from './core.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The folders whose code is under test, as they lie in the repository. */
export const CORE_FOLDERS = ['lib/shard/session', 'lib/shard/stage/core'] as const;

/** A repository path (`lib/…`) to a file of the copy; where there is none, ours is taken. */
type Locate = (path: string) => string;

const FACE = `
export { createStageCore, stepStage, viewStage } from '#lib/shard/stage/core/core.ts';
export { createOwner, stepOwner, viewOwner } from '#lib/shard/session/owner.ts';
export { StopMatcher } from '#lib/shard/session/stop-strings.ts';
`;

/**
 * Loads a copy of the core: `dir` has `lib/shard/session` and `lib/shard/stage/core`, or is the
 * folder `lib/shard` of such a copy. What it lacks (wire, kernel) is ours.
 * @throws Error where `dir` holds neither folder.
 */
export const loadCore = (dir: string): Promise<SimCore> =>
  loadCopy<SimCore>(dir, { folders: CORE_FOLDERS, face: FACE });

/** Another copy of some of our code: which folders it may have, and what is wanted of it. */
export interface Copied {
  readonly folders: readonly string[];
  /** A module that exports what is wanted, with our own specifiers. */
  readonly face: string;
}

/** @throws Error where `dir` holds none of the folders. */
export async function loadCopy<Core>(dir: string, { folders, face }: Copied): Promise<Core> {
  const bases = [resolve(dir), resolve(dir, '../..')];
  const base = bases.find((each) => folders.some((folder) => existsSync(join(each, folder))));
  if (base === undefined) throw new Error(`${dir} holds no ${folders.join(' and no ')}`);
  return (await bundle(face, (path) => join(base, path))) as Core;
}

/** One module of the copy and of what it imports, so that nothing is shared with our own code. */
async function bundle(face: string, locate: Locate): Promise<unknown> {
  const out = await build({
    stdin: { contents: face, resolveDir: ROOT, loader: 'ts', sourcefile: 'sim-core.ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    // A copy elsewhere finds our packages.
    nodePaths: [join(ROOT, 'node_modules')],
    logLevel: 'silent',
    plugins: [fromCopy(locate)],
  });
  const folder = join(ROOT, 'build');
  await mkdir(folder, { recursive: true });
  const place = await mkdtemp(join(folder, 'sim-core-'));
  try {
    const file = join(place, 'core.mjs');
    await writeFile(file, out.outputFiles[0]?.contents ?? '');
    return await import(/* @vite-ignore */ pathToFileURL(file).href);
  } finally {
    await rm(place, { recursive: true });
  }
}

/** Follows `#lib/…` and relative imports by their path in the repository. */
function fromCopy(locate: Locate): Plugin {
  const insideOf = new Map<string, string>();
  const resolved = (inside: string): { path: string } => {
    const copy = locate(inside);
    const path = existsSync(copy) ? copy : join(ROOT, inside);
    insideOf.set(path, inside);
    return { path };
  };
  return {
    name: 'from-copy',
    setup(hooks) {
      hooks.onResolve({ filter: /^#lib\// }, ({ path }) => resolved(path.slice(1)));
      hooks.onResolve({ filter: /^\./ }, ({ path, importer }) => {
        const inside = insideOf.get(importer);
        return inside === undefined ? null : resolved(join(dirname(inside), path));
      });
    },
  };
}
