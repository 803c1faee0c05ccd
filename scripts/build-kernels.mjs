// Compiles lib/webgpu/cpu/kernels (AssemblyScript) to public/kernels, for Node and tabs alike: once
// for one thread, once for several over a shared memory. Does nothing when no source has changed.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = join(ROOT, 'lib/webgpu/cpu/kernels');
const OUT = join(ROOT, 'public/kernels');
// prettier-ignore
const OPTIONS = [
  '--runtime', 'stub', '--bindings', 'none', '--noAssert', '-O3',
  '--enable', 'simd', '--enable', 'bulk-memory',
  '--initialMemory', '1', '--maximumMemory', '65536',
];
const BUILDS = {
  'kernels.wasm': [],
  'kernels-threads.wasm': ['--enable', 'threads', '--importMemory', '--sharedMemory'],
};

async function readSources() {
  const names = (await readdir(SOURCES)).filter((name) => name.endsWith('.ts')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(SOURCES, name), 'utf8')));
  return new Map(names.map((name, i) => [name, texts[i]]));
}

async function digestOf(sources) {
  const hash = createHash('sha256').update(JSON.stringify([...sources]));
  hash.update(await readFile(fileURLToPath(import.meta.url)));
  return hash.digest('hex');
}

async function compile(sources, options) {
  const { default: asc } = await import('assemblyscript/asc');
  let binary = null;
  const { error, stderr } = await asc.main(['index.ts', '--outFile', 'out.wasm', ...options], {
    readFile: (name) => sources.get(name) ?? null,
    writeFile: (_name, contents) => (binary = contents),
    listFiles: () => [],
  });
  if (error || binary === null) throw new Error(`kernels: ${stderr.toString() || error}`);
  return binary;
}

/** @returns {Promise<boolean>} true where a new module was written */
export async function buildKernels() {
  const sources = await readSources();
  const digest = await digestOf(sources);
  const mark = join(OUT, 'kernels.sha256');
  const built = Object.keys(BUILDS).every((name) => existsSync(join(OUT, name)));
  if (built && (await readFile(mark, 'utf8').catch(() => '')) === digest) return false;
  await mkdir(OUT, { recursive: true });
  for (const [name, options] of Object.entries(BUILDS)) {
    await writeFile(join(OUT, name), await compile(sources, [...OPTIONS, ...options]));
  }
  await writeFile(mark, digest);
  return true;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const started = performance.now();
  const built = await buildKernels();
  const ms = Math.round(performance.now() - started);
  if (built) process.stdout.write(`kernels: built in ${ms} ms\n`);
}
