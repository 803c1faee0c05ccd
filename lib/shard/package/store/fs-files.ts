import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';

const TEMP = /^\.tmp-/;
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/**
 * Writes a file so that, whenever the machine stops, the path holds all of it or what it held
 * before: temporary file, fsync, rename.
 * @throws FaultError `package/storage-full`.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  const temp = join(folder, `.tmp-${process.pid}-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeSynced(temp, bytes);
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    if (!FULL.has(errnoOf(error) ?? '')) throw error;
    throw new FaultError('package/storage-full', `no room to write ${path}`, { cause: error });
  }
}

async function writeSynced(path: string, bytes: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes renames in a folder durable. Where the system cannot sync folders it does nothing. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Removes temporary files older than `ageMs` that a stopped process left in a folder. */
export async function removeTempFiles(folder: string, ageMs: number): Promise<void> {
  for (const name of await listFolder(folder)) {
    if (!TEMP.test(name)) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (info && Date.now() - info.mtimeMs >= ageMs) await rm(join(folder, name), { force: true });
  }
}

/** Names in a folder, sorted; none where there is no folder. */
export async function listFolder(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  });
  return names.sort();
}
