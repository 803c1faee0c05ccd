import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';
import { errnoOf } from '../store/fs-files.ts';

const ownerSchema = z.object({ pid: z.number().check(z.int(), z.gt(0)), nonce: z.string() });
const ATTEMPTS_MAX = 5;

export interface FolderLock {
  /** @throws FaultError `package/busy` where another process took the lock over. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/**
 * A lock file that holds its owner's process id. One whose process is gone is taken over.
 * @throws FaultError `package/busy` while a living process holds it.
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const own = JSON.stringify({ pid: process.pid, nonce: randomBytes(16).toString('hex') });
  await mkdir(dirname(path), { recursive: true });
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    if (await create(path, own)) return heldLock(path, own);
    const holder = await readFile(path, 'utf8').catch(() => null);
    if (holder === null) continue;
    if (isAlive(holder)) break;
    await takeAway(path, holder);
  }
  const message = `another import works in this folder (if none does, remove ${path})`;
  throw new FaultError('package/busy', message);
}

function heldLock(path: string, own: string): FolderLock {
  const isOurs = async () => (await readFile(path, 'utf8').catch(() => null)) === own;
  return {
    async check() {
      if (!(await isOurs())) throw new FaultError('package/busy', 'another import took over');
    },
    async release() {
      if (await isOurs()) await rm(path, { force: true });
    },
  };
}

/**
 * Linked into place whole: a reader never sees a lock without its owner.
 * @returns false where a lock is there already.
 */
async function create(path: string, own: string): Promise<boolean> {
  const temp = `${path}.${randomBytes(8).toString('hex')}`;
  const handle = await open(temp, 'wx');
  try {
    await handle.writeFile(own);
    await handle.close();
    await link(temp, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temp, { force: true });
  }
}

/** An unreadable lock belongs to nobody: it was not written by `create`. */
function isAlive(holder: string): boolean {
  let json: unknown = null;
  try {
    json = JSON.parse(holder);
  } catch {
    return false;
  }
  const owner = ownerSchema.safeParse(json);
  if (!owner.success) return false;
  try {
    process.kill(owner.data.pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Moves the stale lock aside; if somebody's fresh one was caught instead, it goes back. */
async function takeAway(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await readFile(aside, 'utf8')) !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
