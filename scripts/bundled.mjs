import { pathToFileURL } from 'node:url';
import { ensureBundle } from './setup/bundle.mjs';
import { requireNode } from './setup/node-version.mjs';
import { ensureDependencies } from './setup/steps.mjs';
import { say } from './setup/run.mjs';

/**
 * `node scripts/bundled.mjs FILE.ts ARGS…`: runs a TypeScript entry as one file. Who runs for weeks on a
 * small machine needs no loader beside it, which takes 30 MB, and starts three times as fast without.
 */
requireNode();
try {
  const [file, ...args] = process.argv.slice(2);
  if (!file) throw new Error('usage: node scripts/bundled.mjs FILE.ts ARGS…');
  await ensureDependencies();
  const path = ensureBundle(file);
  process.argv = [process.argv[0], path, ...args];
  await import(pathToFileURL(path).href);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
