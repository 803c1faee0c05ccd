import type { Page } from 'playwright-core';

/** Looks into a tab's chunk store from outside, past the product's own code. */
const FOLDER = 'declai-chunks';

/** Names of the chunks that are whole, sorted: a row in the index says so, and its file is there. */
export const storedChunks = (page: Page): Promise<string[]> =>
  page.evaluate(async (name) => {
    const rows = await new Promise<string[]>((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onerror = () => reject(new Error(opening.error?.message));
      opening.onsuccess = () => {
        const database = opening.result;
        const keys = database.transaction('chunks').objectStore('chunks').getAllKeys();
        keys.onsuccess = () => {
          database.close();
          resolve(keys.result.map(String).sort());
        };
      };
    });
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(name);
    const files = new Set<string>();
    for await (const file of folder.keys()) files.add(file);
    return rows.filter((hash) => files.has(hash));
  }, FOLDER);

export interface ChunkChanges {
  /** One bit of these becomes another, as on a disk that rots. */
  readonly flip?: readonly string[];
  /** The files of these go away, as when the browser evicts them; their rows stay. */
  readonly remove?: readonly string[];
}

export const changeChunks = (page: Page, changes: ChunkChanges): Promise<void> =>
  page.evaluate(
    async ({ name, flip = [], remove = [] }) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(name);
      for (const hash of remove) await folder.removeEntry(hash);
      for (const hash of flip) {
        const file = await folder.getFileHandle(hash);
        const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
        bytes[1000] = (bytes[1000] ?? 0) ^ 4;
        const stream = await file.createWritable();
        await stream.write(bytes);
        await stream.close();
      }
    },
    { name: FOLDER, ...changes },
  );

export interface OtherChunk {
  readonly sha256: string;
  readonly bytes: number;
  readonly lastUsedMs: number;
}

/** Chunks of another model, as an earlier visit left them. */
export const addOtherChunks = (page: Page, others: readonly OtherChunk[]): Promise<void> =>
  page.evaluate(
    async ({ name, rows }) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(name);
      for (const { sha256, bytes } of rows) {
        const file = await folder.getFileHandle(sha256, { create: true });
        const stream = await file.createWritable();
        await stream.write(new Uint8Array(bytes));
        await stream.close();
      }
      await new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onerror = () => reject(new Error(opening.error?.message));
        opening.onsuccess = () => {
          const writing = opening.result.transaction('chunks', 'readwrite');
          for (const row of rows) writing.objectStore('chunks').put({ ...row, model: 'other' });
          writing.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
      });
    },
    { name: FOLDER, rows: others },
  );

/** What lies beside the files, the index and the browser's own records: less than a chunk. */
const BESIDE_BYTES = 1_000_000;

/**
 * Of the origin, as the quota counts it. Chromium goes on counting a file that was removed, for longer
 * when it is busy, and all at once or in steps: so this waits until the count is that of the files there are.
 */
export const usedBytes = (page: Page): Promise<number> =>
  page.evaluate(
    async ({ name, beside }) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(name);
      let files = 0;
      for await (const handle of folder.values())
        if (handle.kind === 'file')
          files += (await (handle as FileSystemFileHandle).getFile()).size;
      const until = performance.now() + 20_000;
      for (;;) {
        const { usage = 0 } = await navigator.storage.estimate();
        if (usage >= files && usage < files + beside) return usage;
        if (performance.now() > until) throw new Error(`${usage} bytes used, ${files} in files`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    { name: FOLDER, beside: BESIDE_BYTES },
  );
