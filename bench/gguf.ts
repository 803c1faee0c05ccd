import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readManifest } from '#lib/shard/package/package-folder.ts';
import { exportGguf } from './wllama/export-gguf.ts';

/** Peers get the very same weights, written back as one GGUF file, which lives as long as `use`. */
export async function withGguf<T>(model: string, use: (gguf: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'declai-bench-'));
  try {
    const gguf = join(folder, 'model.gguf');
    await exportGguf(model, await readManifest(model), gguf);
    return await use(gguf);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
