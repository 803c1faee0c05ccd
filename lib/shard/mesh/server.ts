import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromHex, toHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { SEED_BYTES, type KeyStore } from './identity.ts';

export { collectedWebRtc } from './collected-webrtc.ts';

/** The identity of a Node volunteer: a file of hex digits that only its user can read. */
export function fileKeyStore(path: string): KeyStore {
  return {
    async loadOrSave(fresh) {
      const stored = await readSeed(path);
      if (stored) return stored;
      await mkdir(dirname(path), { recursive: true });
      const temporary = `${path}.${randomUUID()}`;
      await writeFile(temporary, `${toHex(fresh)}\n`, { mode: 0o600 });
      try {
        // Unlike a rename this fails where another process was first: its key is everybody's.
        await link(temporary, path);
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      } finally {
        await unlink(temporary);
      }
      return (await readSeed(path)) ?? fresh;
    },
  };
}

/** @throws FaultError `server/config` where the file holds something else: it is not ours to replace. */
async function readSeed(path: string): Promise<Uint8Array | null> {
  try {
    const seed = fromHex((await readFile(path, 'utf8')).trim());
    if (seed?.length === SEED_BYTES) return seed;
    throw new FaultError('server/config', `${path} does not hold an identity key`);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
