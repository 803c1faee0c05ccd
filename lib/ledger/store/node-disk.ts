import { writeSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { KIB } from '#lib/kernel/units.ts';
import type { Disk, DiskFile } from './disk.ts';

const SMALL_BYTES = 256 * KIB;

/** What a crash leaves of `create`: never a file of the log. */
export const UNFINISHED = '.new';

/** A folder of the machine's disk, made where it is not there. */
export async function nodeDisk(folder: string): Promise<Disk> {
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) {
    await syncFolder(join(folder, '..'));
  }
  return {
    list: async () => (await readdir(folder)).filter((name) => !name.endsWith(UNFINISHED)).sort(),
    read: (name) => readOrNull(join(folder, name)),
    async create(name, bytes) {
      const unfinished = join(folder, `${name}${UNFINISHED}`);
      const file = await open(unfinished, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, join(folder, name));
      await syncFolder(folder);
    },
    open: async (name) => new NodeFile(await open(join(folder, name), 'r+')),
    async remove(name) {
      await rm(join(folder, name), { force: true });
      await syncFolder(folder);
    },
  };
}

class NodeFile implements DiskFile {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    // A few KiB go into the page cache sooner than a thread wakes up.
    if (bytes.length <= SMALL_BYTES) {
      if (writeSync(this.#file.fd, bytes, 0, bytes.length, at) === bytes.length) return;
    }
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    // No Buffer: its `slice` does not copy.
    const { buffer, byteOffset, length } = await readFile(path);
    return new Uint8Array(buffer, byteOffset, length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A name is on disk only once its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
