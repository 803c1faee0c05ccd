import { FaultError } from '#lib/kernel/errors.ts';
import type { Allocate } from '../chunk-buffers.ts';

/** `mode` is in the specification and in Chromium, not yet in TypeScript's library. */
type SyncHandleFile = FileSystemFileHandle & {
  createSyncAccessHandle?(options?: { mode: 'read-only' | 'readwrite' }): Promise<SyncHandle>;
};
interface SyncHandle {
  getSize(): number;
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

const isNamed = (error: unknown, ...names: string[]): boolean =>
  error instanceof Error && names.includes(error.name);

/** Whether the browser refused for lack of room, be it a file's bytes, its name or a row of a table. */
export const isQuota = (error: unknown): boolean =>
  isNamed(error, 'QuotaExceededError') ||
  // Dexie's errors carry the database's own.
  (error instanceof Error && 'inner' in error && isQuota(error.inner));

/** `null` where the folder has no such file. */
export async function findFile(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemFileHandle | null> {
  return folder.getFileHandle(name).catch((error: unknown) => {
    if (isNamed(error, 'NotFoundError')) return null;
    throw error;
  });
}

/** @throws FaultError `package/busy` where another tab reads, writes or removes it just now. */
export async function removeFile(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name).catch((error: unknown) => {
    if (isNamed(error, 'NotFoundError')) return;
    if (!isNamed(error, 'NoModificationAllowedError')) throw error;
    throw new FaultError('package/busy', 'another tab holds this chunk', { cause: error });
  });
}

/**
 * All bytes of a file: through a read-only handle, which many tabs may hold, else as a blob.
 * `null` where it went away or another tab is writing it.
 */
export async function readFile(
  file: SyncHandleFile,
  allocate: Allocate = (bytes) => new Uint8Array(bytes),
): Promise<Uint8Array<ArrayBuffer> | null> {
  const handle = await file.createSyncAccessHandle?.({ mode: 'read-only' }).catch(() => null);
  if (!handle) return readBlob(file);
  try {
    const bytes = allocate(handle.getSize());
    return handle.read(bytes, { at: 0 }) === bytes.length ? bytes : null;
  } finally {
    handle.close();
  }
}

async function readBlob(file: FileSystemFileHandle): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return new Uint8Array(await (await file.getFile()).arrayBuffer());
  } catch (error) {
    if (isNamed(error, 'NotFoundError', 'NotReadableError')) return null;
    throw error;
  }
}

/**
 * Replaces a file's bytes. In a worker by a synchronous handle (286 MB/s measured); on a main
 * thread, or where another tab holds the file, by a stream that swaps the file in when it closes.
 * @throws FaultError `package/busy` where another tab holds it for itself; `QuotaExceededError`.
 */
export async function writeFile(
  file: SyncHandleFile,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    const handle = await openForWriting(file);
    if (handle) writeSync(handle, bytes);
    else await writeStream(file, bytes);
  } catch (error) {
    if (!isNamed(error, 'NoModificationAllowedError')) throw error;
    throw new FaultError('package/busy', 'another tab holds this chunk', { cause: error });
  }
}

async function openForWriting(file: SyncHandleFile): Promise<SyncHandle | null> {
  const handle = await file.createSyncAccessHandle?.().catch((error: unknown) => {
    if (isNamed(error, 'NoModificationAllowedError', 'InvalidStateError')) return null;
    throw error;
  });
  return handle ?? null;
}

function writeSync(handle: SyncHandle, bytes: Uint8Array): void {
  try {
    handle.truncate(0);
    if (handle.write(bytes, { at: 0 }) !== bytes.length) {
      throw new DOMException('only a part was written', 'QuotaExceededError');
    }
    handle.flush();
  } finally {
    handle.close();
  }
}

/** One name for all tabs: what a tab that ended in the middle left is overwritten and removed. */
const PROBE = 'room-probe';

/**
 * Whether the browser would give so many bytes more: an empty file of that size, which goes again.
 * `navigator.storage.estimate()` does not tell, Chromium's says 10 GiB whatever the quota is.
 */
export async function hasRoom(folder: FileSystemDirectoryHandle, bytes: number): Promise<boolean> {
  try {
    const file: SyncHandleFile = await folder.getFileHandle(PROBE, { create: true });
    const handle = await file.createSyncAccessHandle?.();
    if (!handle) return false;
    try {
      handle.truncate(bytes);
      return true;
    } finally {
      handle.truncate(0);
      handle.close();
    }
  } catch (error) {
    // Another tab holds the probe: one answer is enough for all, the next look gets it.
    if (isQuota(error) || isNamed(error, 'NoModificationAllowedError')) return false;
    throw error;
  } finally {
    await removeFile(folder, PROBE).catch(() => undefined);
  }
}

async function writeStream(
  file: FileSystemFileHandle,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const stream = await file.createWritable();
  try {
    await stream.write(bytes);
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => undefined);
    throw error;
  }
}
