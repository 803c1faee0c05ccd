import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { requireNode } from './setup/node-version.mjs';
import { ensureDependencies, ensureKernels } from './setup/steps.mjs';
import { say } from './setup/run.mjs';

/** `node scripts/ts.mjs FILE.ts ARGS…`: sets up what tools need, then runs a TypeScript entry. */
requireNode();
try {
  const [file, ...args] = process.argv.slice(2);
  if (!file) throw new Error('usage: node scripts/ts.mjs FILE.ts ARGS…');
  await ensureDependencies();
  await ensureKernels();
  process.argv = [process.argv[0], resolve(file), ...args];
  const { register } = await import('tsx/esm/api');
  register();
  await import(pathToFileURL(resolve(file)).href);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
