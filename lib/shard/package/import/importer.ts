import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from '#lib/kernel/assert.ts';
import { canonicalJson } from '#lib/kernel/canonical.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ManifestHash, ModelId } from '#lib/kernel/ids.ts';
import { checkManifest, parseManifest } from '../check-manifest.ts';
import { manifestHash, type Manifest, type ManifestPart } from '../manifest.ts';
import { listFolder, removeTempFiles, syncFolder, writeFileAtomic } from '../store/fs-files.ts';
import { fsChunkStore } from '../store/fs-store.ts';
import { draftManifest } from './draft.ts';
import { readTextFile } from './json-file.ts';
import { lockFolder, type FolderLock } from './lock.ts';
import type { LossReport } from './losses.ts';
import { openSource } from './open-source.ts';
import type { Quant } from './quant.ts';
import type { ModelSource } from './source.ts';
import { partBytes, writeChunks, type ChunkTarget } from './write-chunks.ts';

export interface ImportProgress {
  /** `hash`: the source is read for its identity. `write`: chunks are written. */
  readonly phase: 'hash' | 'write';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ImportOptions {
  /** A `.gguf` file or a Hugging Face folder. */
  readonly path: string;
  /** The folder of packages; the package becomes `root/id`. */
  readonly root: string;
  readonly id: ModelId;
  /** How matrices are stored; `keep` unless said. */
  readonly quant?: Quant | undefined;
  readonly name?: string | undefined;
  readonly licence?: string | undefined;
  readonly onProgress?: (progress: ImportProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportResult {
  readonly manifest: Manifest;
  readonly hash: ManifestHash;
  /** False where the very same package was there before. */
  readonly isNew: boolean;
  /** What conversions of weights cost. */
  readonly losses: LossReport;
}

export const MANIFEST_FILE = 'manifest.json';
export const CHUNKS_FOLDER = 'chunks';

/**
 * Converts a model into a package: the same input gives the same bytes. The manifest is written
 * last, so a package exists whole or not at all; after an interruption the chunks are reused.
 * @throws FaultError `package/unsupported`, `package/malformed`, `package/too-large` before a byte
 *   is written; `package/exists`, `package/busy`, `package/storage-full`, `kernel/aborted`.
 */
export async function importModel(options: ImportOptions): Promise<ImportResult> {
  const source = await openSource(options.path, options.quant);
  try {
    const lock = await lockFolder(join(options.root, `.${options.id}.lock`));
    try {
      return await importLocked(source, options, lock);
    } finally {
      await lock.release();
    }
  } finally {
    await source.close();
  }
}

async function importLocked(
  source: ModelSource,
  options: ImportOptions,
  lock: FolderLock,
): Promise<ImportResult> {
  const folder = join(options.root, options.id);
  draftManifest(source, { sha256: '0'.repeat(64), ...options });
  await removeTempFiles(folder, 0);
  const sha256 = await source.sha256(progressOf('hash', source.bytes, options), options.signal);
  const before = await existingManifest(folder);
  if (before && before.source.sha256 !== sha256) throw exists(options.id);
  const manifest = await writeChunksOf(
    source,
    draftManifest(source, { sha256, ...options }),
    options,
  );
  await lock.check();
  if (before && manifestHash(before) !== manifestHash(manifest)) {
    await removeOrphans(folder, before);
    throw exists(options.id);
  }
  await removeOrphans(folder, manifest);
  await syncFolder(join(folder, CHUNKS_FOLDER));
  if (!before) await writeFileAtomic(join(folder, MANIFEST_FILE), canonicalJson(manifest));
  await syncFolder(folder);
  return { manifest, hash: manifestHash(manifest), isNew: !before, losses: source.losses() };
}

const exists = (id: ModelId): FaultError =>
  new FaultError('package/exists', `another model is there as ${id}: remove it first`);

async function existingManifest(folder: string): Promise<Manifest | null> {
  const text = await readTextFile(folder, MANIFEST_FILE);
  return text === null ? null : parseManifest(text);
}

/** Streams everything the draft names into chunk files. */
async function writeChunksOf(
  source: ModelSource,
  draft: Manifest,
  options: ImportOptions,
): Promise<Manifest> {
  const owners = [draft.tokenizer, ...draft.parts];
  const total = owners.reduce((sum, owner) => sum + owner.bytes, 0);
  const target: ChunkTarget = {
    store: fsChunkStore(join(options.root, options.id, CHUNKS_FOLDER)),
    model: options.id,
    onBytes: progressOf('write', total, options),
    signal: options.signal,
  };
  const { bytes } = source.tokenizer;
  const tokenizer = await writeChunks(oneOf(bytes), bytes.length, target);
  const parts: ManifestPart[] = [];
  for (const [index, part] of draft.parts.entries()) {
    const tensors = must(source.parts[index], 'the draft was made of these parts').tensors;
    const stream = partBytes(tensors, part.tensors);
    parts.push({ ...part, chunks: [...(await writeChunks(stream, part.bytes, target))] });
  }
  return checkManifest({ ...draft, tokenizer: { ...draft.tokenizer, chunks: tokenizer }, parts });
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

function progressOf(phase: ImportProgress['phase'], totalBytes: number, options: ImportOptions) {
  let doneBytes = 0;
  return (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.({ phase, doneBytes, totalBytes });
  };
}

/** Chunks of an import that was broken off and not taken up again. */
async function removeOrphans(folder: string, manifest: Manifest): Promise<void> {
  const owners = [manifest.tokenizer, ...manifest.parts];
  const kept = new Set(owners.flatMap((owner) => owner.chunks.map((chunk) => chunk.sha256)));
  for (const name of await listFolder(join(folder, CHUNKS_FOLDER))) {
    if (!kept.has(name)) await rm(join(folder, CHUNKS_FOLDER, name), { force: true });
  }
}
