import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { canonicalJson } from '#lib/kernel/canonical.ts';
import { FaultError, toFault } from '#lib/kernel/errors.ts';
import { MODEL_ID, type ChunkHash, type ManifestHash, type ModelId } from '#lib/kernel/ids.ts';
import { CHUNKS_FOLDER, MANIFEST_FILE } from '#lib/shard/package/import/importer.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import {
  openPackageFolder,
  readManifest,
  type OpenPackage,
} from '#lib/shard/package/package-folder.ts';
import { listFolder } from '#lib/shard/package/store/fs-files.ts';

export interface RegisteredModel {
  readonly manifest: Manifest;
  readonly hash: ManifestHash;
  /** Canonical JSON: its SHA-256 is {@link hash}. */
  readonly json: string;
  readonly folder: string;
}

/** A folder that looks like a package and is none. */
export interface BrokenPackage {
  readonly folder: string;
  readonly fault: FaultError;
}

interface Snapshot {
  readonly models: ReadonlyMap<string, RegisteredModel>;
  readonly chunks: ReadonlyMap<string, string>;
  readonly broken: readonly BrokenPackage[];
}

/**
 * The packages of this machine, from several roots; of two with one id the earlier root's counts.
 * Reads disk only in `refresh`, which replaces everything at once: readers never see half of it.
 */
export class ModelRegistry {
  readonly #roots: readonly string[];
  #snapshot: Snapshot = { models: new Map(), chunks: new Map(), broken: [] };

  private constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  static async open(roots: readonly string[]): Promise<ModelRegistry> {
    const registry = new ModelRegistry(roots);
    await registry.refresh();
    return registry;
  }

  async refresh(): Promise<void> {
    const models = new Map<string, RegisteredModel>();
    const chunks = new Map<string, string>();
    const broken: BrokenPackage[] = [];
    for (const folder of await packageFolders(this.#roots)) {
      try {
        const model = await readModel(folder);
        if (models.has(model.manifest.id)) continue;
        models.set(model.manifest.id, model);
        for (const hash of hashesOf(model.manifest)) {
          if (!chunks.has(hash)) chunks.set(hash, join(folder, CHUNKS_FOLDER, hash));
        }
      } catch (error) {
        broken.push({ folder, fault: toFault(error, 'package/malformed') });
      }
    }
    this.#snapshot = { models, chunks, broken };
  }

  /** In order of id. */
  list(): readonly RegisteredModel[] {
    const models = [...this.#snapshot.models.values()];
    return models.sort((a, b) => (a.manifest.id < b.manifest.id ? -1 : 1));
  }

  broken(): readonly BrokenPackage[] {
    return this.#snapshot.broken;
  }

  /** @throws FaultError `package/not-found`. */
  get(id: string): RegisteredModel {
    const model = this.#snapshot.models.get(id);
    if (model) return model;
    const have = this.list().map(({ manifest }) => manifest.id);
    const there = `there is: ${have.join(', ') || 'none'}`;
    throw new FaultError('package/not-found', `no model ${id.slice(0, 64)} is here (${there})`);
  }

  has(id: string): id is ModelId {
    return this.#snapshot.models.has(id);
  }

  byHash(hash: ManifestHash): RegisteredModel | undefined {
    return this.list().find((model) => model.hash === hash);
  }

  /** Where a chunk of a registered model lies. */
  chunkPath(hash: ChunkHash): string | undefined {
    return this.#snapshot.chunks.get(hash);
  }

  /** @throws FaultError `package/not-found`. */
  manifestJson(id: string): string {
    return this.get(id).json;
  }

  /** Weights and tokenizer of a model. @throws FaultError `package/…`. */
  openPackage(id: string): Promise<OpenPackage> {
    return openPackageFolder(this.get(id).folder);
  }
}

/** Folders with a manifest, root by root. */
async function packageFolders(roots: readonly string[]): Promise<string[]> {
  const folders: string[] = [];
  for (const root of roots) {
    for (const name of await listFolder(root)) {
      const folder = join(root, name);
      const info = await stat(join(folder, MANIFEST_FILE)).catch(() => null);
      if (MODEL_ID.test(name) && info?.isFile()) folders.push(folder);
    }
  }
  return folders;
}

async function readModel(folder: string): Promise<RegisteredModel> {
  const manifest = await readManifest(folder);
  if (basename(folder) !== manifest.id) {
    throw new FaultError('package/malformed', `the folder is not named ${manifest.id}`);
  }
  return { manifest, hash: manifestHash(manifest), json: canonicalJson(manifest), folder };
}

/** Every chunk a manifest names, each once. */
export const hashesOf = (manifest: Manifest): Set<ChunkHash> =>
  new Set(
    [manifest.tokenizer, ...manifest.parts].flatMap((owner) =>
      owner.chunks.map((chunk) => chunk.sha256 as ChunkHash),
    ),
  );
