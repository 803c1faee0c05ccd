import { FaultError } from '#lib/kernel/errors.ts';
import type { ChunkHash, ManifestHash } from '#lib/kernel/ids.ts';
import type { TokenSource } from '#lib/webgpu/grammar/tokens.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { Stage, StageFactory } from '#lib/webgpu/stage.ts';
import { warmUp } from '#lib/webgpu/warm-up.ts';
import { ChunkBuffers } from '#lib/shard/package/chunk-buffers.ts';
import {
  fetchRange,
  type FetchProgress,
  type ObtainedChunk,
} from '#lib/shard/package/fetch-chunks.ts';
import { chunkRefs, manifestHash, rangeRefs, type Manifest } from '#lib/shard/package/manifest.ts';
import type { ChunkFetcher } from '#lib/shard/package/retry.ts';
import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { forgettingStore } from '#lib/shard/package/store/forgetting-store.ts';
import { storedTokenizerBytes, storedWeights } from '#lib/shard/package/stored-weights.ts';
import { parseTokenizer, tokenPieces } from '#lib/shard/package/token-pieces.ts';
import type { FetchedBytes, FetchPurpose, ShardProgress, ShardRef } from './host-protocol.ts';
import { STAGE_HOST } from './limits.ts';
import { storedBytes } from './stored-bytes.ts';
import type { LoadOrder } from './stage-host.ts';

export interface ShardLoaderDoors {
  readonly store: () => Promise<ChunkStore>;
  readonly fetchChunk: ChunkFetcher;
  /** Asked beside the first fetch or load: compiles and checks the kernels. */
  readonly factory: () => Promise<StageFactory>;
  /** Bytes that the engines loaded so far hold. */
  readonly memoryBytes: () => number;
  /** Bytes that this worker may hold in all. */
  readonly memoryMaxBytes: () => number;
  readonly onProgress: (progress: ShardProgress) => void;
}

/** From a manifest to an engine at work: which chunks, from where, and how the engine is warmed. */
export class ShardLoader {
  readonly #doors: ShardLoaderDoors;
  readonly #models = new Map<ManifestHash, Manifest>();
  readonly #buffers = new ChunkBuffers();
  readonly #fetches = new Map<FetchPurpose, AbortController>();

  /** Chunks of the models that are known here: a full store forgets others first (K11). */
  readonly #held = new Set<ChunkHash>();
  readonly #stores = new WeakMap<ChunkStore, ChunkStore>();

  constructor(doors: ShardLoaderDoors) {
    this.#doors = doors;
  }

  addModel(manifest: Manifest): ManifestHash {
    const hash = manifestHash(manifest);
    this.#models.set(hash, manifest);
    const owners = [manifest.tokenizer, ...manifest.parts];
    for (const { sha256 } of owners.flatMap(chunkRefs)) this.#held.add(sha256);
    return hash;
  }

  model(hash: ManifestHash): Manifest {
    const manifest = this.#models.get(hash);
    if (!manifest) throw new FaultError('package/not-found', `no manifest ${hash} is known here`);
    return manifest;
  }

  /** Layers all of whose chunks are here, with the ends' own parts, as maximal ranges. */
  async cachedRanges(hash: ManifestHash): Promise<LayerRange[]> {
    const manifest = this.model(hash);
    const store = await this.#openStore();
    const held = new Set((await store.list()).map((chunk) => chunk.sha256));
    const ranges: LayerRange[] = [];
    for (let layer = 0; layer < manifest.shape.layers; layer += 1) {
      const refs = rangeRefs(manifest, { first: layer, last: layer });
      if (!refs.every((chunk) => held.has(chunk.sha256))) continue;
      const open = ranges.at(-1);
      if (open?.last === layer - 1) ranges[ranges.length - 1] = { ...open, last: layer };
      else ranges.push({ first: layer, last: layer });
    }
    return ranges;
  }

  /** Whether what is missing of a range would find room in the store. */
  async hasRoom({ hash, range }: ShardRef): Promise<boolean> {
    const manifest = this.model(hash);
    const store = await this.#openStore();
    const here = new Set((await store.list()).map((chunk) => chunk.sha256));
    const missing = rangeRefs(manifest, range).filter(({ sha256 }) => !here.has(sha256));
    return store.hasRoom(missing.reduce((sum, ref) => sum + ref.bytes, 0));
  }

  /** One fetch a purpose: a new one ends the one before. @throws FaultError `package/…`, `kernel/aborted`. */
  async fetch(order: ShardRef & { readonly purpose: FetchPurpose }): Promise<FetchedBytes> {
    const { range, purpose } = order;
    const manifest = this.model(order.hash);
    this.abortFetch(purpose);
    const abort = new AbortController();
    this.#fetches.set(purpose, abort);
    const tell = (progress: FetchProgress, chunk: ObtainedChunk | null): void =>
      this.#doors.onProgress({
        stage: purpose,
        range,
        bytesDone: progress.cachedBytes + progress.networkBytes,
        bytesTotal: progress.totalBytes,
        networkBytes: progress.networkBytes,
        cacheBytes: progress.cachedBytes,
        chunk,
      });
    const fetching = fetchRange({
      manifest,
      range,
      store: await this.#openStore(),
      fetchChunk: this.#doors.fetchChunk,
      buffers: this.#buffers,
      onProgress: tell,
      signal: abort.signal,
    });
    // A device whose kernels fail their check has nothing to download for.
    const checking = this.#doors.factory().catch((error: unknown) => {
      abort.abort(error);
      throw error;
    });
    const [done] = await Promise.all([fetching, checking]);
    return { networkBytes: done.networkBytes, cacheBytes: done.cachedBytes };
  }

  abortFetch(purpose: FetchPurpose): void {
    this.#fetches.get(purpose)?.abort();
    this.#fetches.delete(purpose);
  }

  /**
   * A warmed engine of the range, from the cache where its chunks are there. What a failover finds
   * missing comes from the network; the parts that the engine reads ahead come together.
   */
  async load(order: LoadOrder): Promise<Stage> {
    const manifest = this.model(order.manifest);
    const { range, numerics } = order;
    const bytesTotal = storedBytes(manifest, range);
    const store = await this.#openStore();
    const { fetchChunk } = this.#doors;
    const buffers = this.#buffers;
    const factory = await this.#doors.factory();
    const stage = await factory({
      shape: manifest.shape,
      range,
      numerics,
      kvBytesMax: this.#kvBytes(bytesTotal),
      weights: storedWeights(manifest, { store, fetchChunk, buffers }),
      onProgress: (bytesDone) =>
        this.#doors.onProgress({
          ...{ stage: 'load', range, bytesDone, bytesTotal },
          ...{ networkBytes: 0, cacheBytes: 0, chunk: null },
        }),
    });
    buffers.forget();
    await warmUp(stage, STAGE_HOST.warmUpSeed);
    return stage;
  }

  /**
   * The vocabulary, for who holds the head: it came with the last range, so that a session which
   * needs it does not wait for the network. @throws FaultError `package/…`.
   */
  async loadTokens(hash: ManifestHash): Promise<TokenSource> {
    const manifest = this.model(hash);
    const { fetchChunk } = this.#doors;
    const store = await this.#openStore();
    const bytes = await storedTokenizerBytes(manifest, { store, fetchChunk });
    return tokenPieces(manifest, parseTokenizer(bytes));
  }

  /** One around each store: those who find no room take turns. */
  async #openStore(): Promise<ChunkStore> {
    const inner = await this.#doors.store();
    const known = this.#stores.get(inner);
    if (known) return known;
    const store = forgettingStore(inner, (hash) => this.#held.has(hash));
    this.#stores.set(inner, store);
    return store;
  }

  /** What is lent, less what engines hold and this one's weights (repacked: up to a quarter more). */
  #kvBytes(storedWeightBytes: number): number {
    const rest =
      this.#doors.memoryMaxBytes() -
      this.#doors.memoryBytes() -
      Math.ceil(storedWeightBytes * 1.25);
    return Math.min(Math.max(rest, STAGE_HOST.kvBytesMin), STAGE_HOST.kvBytesMax);
  }
}
