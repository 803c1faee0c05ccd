// Copies what a tab loads of onnxruntime-web to public/ort/<version>/: the module beside each
// WebAssembly file and the file itself, for browsers with JavaScript promise integration (jspi) and
// for those without (asyncify). Does nothing where the copies are whole.
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PACKAGE = join(ROOT, 'node_modules/onnxruntime-web');
const OUT = join(ROOT, 'public/ort');
const FILES = ['jspi', 'asyncify'].flatMap((build) =>
  ['mjs', 'wasm'].map((type) => `ort-wasm-simd-threaded.${build}.${type}`),
);

async function digestOf(folder) {
  const hash = createHash('sha256');
  for (const name of FILES) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest('hex');
}

/** @returns {Promise<boolean>} true where files were written */
export async function copyOrt() {
  const { version } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  const folder = join(OUT, version);
  const mark = join(folder, 'files.sha256');
  const digest = await digestOf(join(PACKAGE, 'dist'));
  const copied = await Promise.all([
    readFile(mark, 'utf8').catch(() => ''),
    digestOf(folder).catch(() => ''),
  ]);
  if (copied.every((found) => found === digest)) return false;
  await mkdir(folder, { recursive: true });
  for (const name of FILES) await cp(join(PACKAGE, 'dist', name), join(folder, name));
  await writeFile(mark, digest);
  // Copies of other versions are served to nobody.
  for (const name of await readdir(OUT)) {
    if (name !== version) await rm(join(OUT, name), { recursive: true });
  }
  return true;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const copied = await copyOrt();
  if (copied) process.stdout.write('onnxruntime-web: copied\n');
}
