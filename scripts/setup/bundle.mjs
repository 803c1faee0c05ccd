import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ROOT } from './run.mjs';
import { digestOf } from './stamp.mjs';

const SELF = fileURLToPath(import.meta.url);
const FOLDER = 'build/bundles';

const nameOf = (entry) => entry.replace(/\.ts$/, '').replaceAll('/', '-');

/**
 * A TypeScript entry and all our code that it imports as one file, made anew where a source changed.
 * @param {string} entry repository-relative.
 * @returns {string} its path. Made in a process of its own: what makes it takes memory.
 */
export function ensureBundle(entry) {
  const path = join(ROOT, FOLDER, `${nameOf(entry)}.mjs`);
  if (isFresh(path)) return path;
  const { status } = spawnSync(process.execPath, [SELF, entry], { cwd: ROOT, stdio: [0, 2, 2] });
  if (status !== 0) throw new Error(`${entry} could not be bundled`);
  return path;
}

const stampOf = (path) => `${path}.stamp.json`;

function isFresh(path) {
  if (!existsSync(path) || !existsSync(stampOf(path))) return false;
  const { inputs, digest } = JSON.parse(readFileSync(stampOf(path), 'utf8'));
  return digestOf(inputs) === digest;
}

/** Several may do so at once: each puts its own in place whole. */
async function bundle(entry) {
  const { build } = await import('esbuild');
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    ...{ bundle: true, write: false, metafile: true, outdir: FOLDER },
    ...{ platform: 'node', format: 'esm', target: 'node20', packages: 'external' },
    logLevel: 'warning',
  });
  const path = join(ROOT, FOLDER, `${nameOf(entry)}.mjs`);
  const inputs = [...Object.keys(metafile.inputs), 'scripts/setup/bundle.mjs'].sort();
  mkdirSync(dirname(path), { recursive: true });
  put(path, outputFiles[0].contents);
  put(stampOf(path), JSON.stringify({ digest: digestOf(inputs), inputs }));
}

function put(path, contents) {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, contents);
  renameSync(unfinished, path);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await bundle(process.argv[2]);
}
