import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { MANIFEST_FILE } from './importer.ts';
import { lockFolder } from './lock.ts';

/**
 * Removes a package: its manifest first, so that half a package is never found.
 * @throws FaultError `package/not-found`, `package/busy` while an import writes it.
 */
export async function removePackage(root: string, id: ModelId): Promise<void> {
  const folder = join(root, id);
  if (!(await stat(folder).catch(() => null))) {
    throw new FaultError('package/not-found', `no model ${id} in ${root}`);
  }
  const lock = await lockFolder(join(root, `.${id}.lock`));
  try {
    await rm(join(folder, MANIFEST_FILE), { force: true });
    await rm(folder, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}
