/** The part of a private file system that the store uses, in memory, with Chromium's errors. */
export interface FakeOpfs {
  readonly folder: FileSystemDirectoryHandle;
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
  /** Names that another tab holds for writing. */
  readonly held: Set<string>;
  /** What one write may take. */
  quotaBytes: number;
  /** What all files together may take. */
  roomBytes: number;
}

const domError = (name: string): DOMException => new DOMException(name, name);

export function fakeOpfs(options: { readonly hasSyncHandles: boolean }): FakeOpfs {
  const opfs = { files: new Map<string, Uint8Array<ArrayBuffer>>(), held: new Set<string>() };
  const state = { ...opfs, quotaBytes: Infinity, roomBytes: Infinity };
  const refuseBeyond = (name: string, length: number): void => {
    const others = [...state.files].reduce((sum, [n, b]) => sum + (n === name ? 0 : b.length), 0);
    const room = Math.min(state.quotaBytes, state.roomBytes - others);
    if (length > room) throw domError('QuotaExceededError');
  };
  const put = (name: string, bytes: Uint8Array): void => {
    refuseBeyond(name, bytes.length);
    state.files.set(name, Uint8Array.from(bytes));
  };
  const refuseHeld = (name: string): void => {
    if (state.held.has(name)) throw domError('NoModificationAllowedError');
  };
  const fileHandle = (name: string) => ({
    getFile: () => Promise.resolve(new Blob([state.files.get(name) ?? new Uint8Array(0)])),
    createWritable: async () => {
      await Promise.resolve();
      refuseHeld(name);
      let written: Uint8Array = new Uint8Array(0);
      return {
        write: (bytes: Uint8Array) => Promise.resolve(void (written = bytes)),
        close: () => Promise.resolve().then(() => put(name, written)),
        abort: () => Promise.resolve(),
      };
    },
    ...(options.hasSyncHandles && { createSyncAccessHandle: () => syncHandle(name) }),
  });
  const syncHandle = async (name: string) => {
    await Promise.resolve();
    refuseHeld(name);
    return {
      getSize: () => state.files.get(name)?.length ?? 0,
      read(target: Uint8Array) {
        target.set(state.files.get(name) ?? []);
        return target.length;
      },
      write(bytes: Uint8Array) {
        put(name, bytes);
        return bytes.length;
      },
      truncate(length: number) {
        refuseBeyond(name, length);
        state.files.set(name, new Uint8Array(length));
      },
      flush: () => undefined,
      close: () => undefined,
    };
  };
  const folder = {
    getFileHandle: async (name: string, { create = false } = {}) => {
      await Promise.resolve();
      if (!state.files.has(name) && !create) throw domError('NotFoundError');
      if (!state.files.has(name)) state.files.set(name, new Uint8Array(0));
      return fileHandle(name);
    },
    removeEntry: async (name: string) => {
      refuseHeld(name);
      // As in Chromium a file is locked while it goes: a second removal meanwhile is refused.
      state.held.add(name);
      await new Promise((resolve) => setTimeout(resolve));
      state.held.delete(name);
      if (!state.files.delete(name)) throw domError('NotFoundError');
    },
  };
  return Object.assign(state, { folder: folder as unknown as FileSystemDirectoryHandle });
}
