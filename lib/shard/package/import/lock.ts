import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { errnoOf, listFolder } from '../store/fs-files.ts';

/** Two that start in the same instant both step back; a few tries let one of them through. */
const ATTEMPTS_MAX = 6;
const PAUSE_MS_MAX = 60;

export interface FolderLock {
  /** @throws FaultError `package/busy` where somebody removed the lock. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/**
 * A lock between processes. Everyone who wants it puts down a file of a name of its own,
 * `path-<pid>-<nonce>`, and then looks: with nobody else alive there the lock is held. Of two
 * at least one sees the other, and as no name comes twice, clearing away the file of a process
 * that is gone can never hit a fresh lock.
 * @throws FaultError `package/busy` while a living process holds it.
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  await mkdir(dirname(path), { recursive: true });
  for (let attempt = 1; ; attempt += 1) {
    const own = `${path}-${process.pid}-${randomBytes(8).toString('hex')}`;
    await writeFile(own, '', { flag: 'wx' });
    const other = await livingOther(path, own);
    if (other === undefined) return heldLock(own);
    await rm(own, { force: true });
    if (attempt === ATTEMPTS_MAX) {
      const message = `another import works in this folder (if none does, remove ${other})`;
      throw new FaultError('package/busy', message);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS_MAX));
  }
}

function heldLock(own: string): FolderLock {
  return {
    async check() {
      if (await stat(own).catch(() => null)) return;
      throw new FaultError('package/busy', 'the lock of this import was removed');
    },
    release: () => rm(own, { force: true }),
  };
}

/** The file of another living contender; those of dead ones are cleared away. */
async function livingOther(path: string, own: string): Promise<string | undefined> {
  const folder = dirname(path);
  const prefix = `${basename(path)}-`;
  for (const name of await listFolder(folder)) {
    const file = join(folder, name);
    if (!name.startsWith(prefix) || file === join(own)) continue;
    if (isAlive(Number(name.slice(prefix.length).split('-')[0]))) return file;
    await rm(file, { force: true });
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
