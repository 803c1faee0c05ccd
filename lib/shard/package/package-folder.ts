import { join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import type { WeightSource } from '#lib/webgpu/model.ts';
import { parseManifest } from './check-manifest.ts';
import { neverFetch } from './fetch-chunks.ts';
import { CHUNKS_FOLDER, MANIFEST_FILE } from './import/importer.ts';
import { readTextFile } from './import/json-file.ts';
import type { Manifest } from './manifest.ts';
import { fsChunkStore } from './store/fs-store.ts';
import { storedTokenizerBytes, storedWeights } from './stored-weights.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

export interface OpenPackage {
  readonly manifest: Manifest;
  readonly weights: WeightSource;
  readonly tokenizer: Tokenizer;
}

/** @throws FaultError `package/not-found`, `package/malformed`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readTextFile(folder, MANIFEST_FILE);
  if (text === null) throw new FaultError('package/not-found', `no manifest in ${folder}`);
  return parseManifest(text);
}

/** A package in a folder of this machine, ready to run; hashes are checked as parts are read. */
export async function openPackageFolder(folder: string): Promise<OpenPackage> {
  const manifest = await readManifest(folder);
  const reader = { store: fsChunkStore(join(folder, CHUNKS_FOLDER)), fetchChunk: neverFetch };
  const tokenizer = loadTokenizer(manifest, await storedTokenizerBytes(manifest, reader));
  return { manifest, weights: storedWeights(manifest, reader), tokenizer };
}
