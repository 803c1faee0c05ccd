import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './run.mjs';

/** SHA-256 over names and bytes of files and folders (repository-relative); missing ones count too. */
export function digestOf(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const full = join(ROOT, path);
    if (!existsSync(full)) return void hash.update(`missing ${path}\n`);
    const entries = readdirOrNull(full);
    if (!entries) return void hash.update(`${path}\n`).update(readFileSync(full));
    for (const entry of entries.sort()) visit(`${path}/${entry}`);
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}

function readdirOrNull(path) {
  try {
    return readdirSync(path);
  } catch {
    return null;
  }
}

/** Does `work` only where `digest` differs from the one that the last success left in `file`. */
export async function whenStale(file, digest, work) {
  const path = join(ROOT, file);
  if (existsSync(path) && readFileSync(path, 'utf8') === digest) return false;
  await work();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, digest);
  return true;
}
