import { join } from 'node:path';
import { sha256HexFast } from '#lib/kernel/digest.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { CHUNKS_FOLDER } from '#lib/shard/package/import/importer.ts';
import { fsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import { hashesOf, type RegisteredModel } from './registry.ts';

export interface VerifyResult {
  readonly id: ModelId;
  readonly folder: string;
  readonly chunks: number;
  readonly missing: readonly string[];
  readonly corrupt: readonly string[];
}

/** Reads and hashes every chunk of a package. */
export async function verifyModel(model: RegisteredModel): Promise<VerifyResult> {
  const store = fsChunkStore(join(model.folder, CHUNKS_FOLDER));
  const missing: string[] = [];
  const corrupt: string[] = [];
  const hashes = hashesOf(model.manifest);
  for (const hash of hashes) {
    const bytes = await store.read(hash);
    if (!bytes) missing.push(hash);
    else if ((await sha256HexFast(bytes)) !== hash) corrupt.push(hash);
  }
  const { folder, manifest } = model;
  return { id: manifest.id, folder, chunks: hashes.size, missing, corrupt };
}
