import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyHunk, parsePatch } from './unified-diff.ts';

/** Patches that break a rule, each in a file of its own, and the seeds that find them. */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Names of a folder's patches, in order. */
export async function patchNames(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => file.endsWith('.patch'))
    .map((file) => file.replace('.patch', ''))
    .sort();
}

/**
 * A copy of these folders with one patch applied, loaded beside ours.
 * @throws Error where the patch does not apply.
 */
export async function loadPatched<Core>(
  patch: string,
  of: { readonly folders: readonly string[]; readonly load: (dir: string) => Promise<Core> },
): Promise<Core> {
  const copy = await mkdtemp(join(tmpdir(), 'declai-mutant-'));
  try {
    for (const folder of of.folders)
      await cp(join(ROOT, folder), join(copy, folder), { recursive: true });
    const hunk = parsePatch(await readFile(patch, 'utf8'));
    const file = join(copy, hunk.path);
    await writeFile(file, applyHunk(await readFile(file, 'utf8'), hunk));
    return await of.load(copy);
  } finally {
    await rm(copy, { recursive: true });
  }
}

/** What was found before, by name. */
export const readFindings = async <Finding>(file: string): Promise<Record<string, Finding>> =>
  JSON.parse(await readFile(file, 'utf8')) as Record<string, Finding>;

export async function writeFindings(
  file: string,
  findings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(findings).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(file, `${JSON.stringify(sorted, null, 2)}\n`);
}
