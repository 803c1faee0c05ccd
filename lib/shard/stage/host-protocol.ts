import type { FaultWire } from '#lib/kernel/errors.ts';
import type { ManifestHash, NodeId } from '#lib/kernel/ids.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { EngineWish, GpuFinding, MeasuredCpu } from '#lib/webgpu/capability/choose-engine.ts';
import type { Speed } from '#lib/webgpu/capability/measure.ts';
import type { ThreadChoice, ThreadPlan } from '#lib/webgpu/capability/threads.ts';
import type { Engine, LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { LinkPath, LinkPort } from '#lib/shard/mesh/types.ts';
import type { ObtainedChunk } from '#lib/shard/package/fetch-chunks.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import type { OwnerMessage, Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';

/**
 * What the main thread and the inference worker tell each other. Both ends are ours and of one
 * build, so shapes are types, not schemas; what comes from the network was checked before.
 */

/** The first message to a worker; the two ports travel with it. */
export interface WorkerStart {
  readonly type: 'start';
  readonly self: NodeId;
  /** Origin of the server that manifests and chunks come from. */
  readonly serverUrl: string;
  readonly memoryLentBytes: number;
  readonly threads: ThreadPlan;
  /** Lists of commands one way, lists of reports the other: what is said in one turn (`Batch`). */
  readonly ring: MessagePort;
  /** Requests with an answer each: `HostJobs`. */
  readonly jobs: MessagePort;
}

/** Main thread → worker: never waits, order kept. */
export type HostCommand =
  | { readonly type: 'message'; readonly message: OwnerMessage }
  /** The port travels with the command; the link may not be open yet. */
  | {
      readonly type: 'link-port';
      readonly peer: NodeId;
      readonly link: string;
      readonly port: LinkPort;
    }
  | {
      readonly type: 'link-open';
      readonly peer: NodeId;
      readonly link: string;
      readonly path: LinkPath;
    }
  | { readonly type: 'link-closed'; readonly peer: NodeId; readonly link: string }
  | { readonly type: 'abort-fetch'; readonly purpose: FetchPurpose }
  | { readonly type: 'socket-back' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' };

/** Worker → main thread. */
export type HostReport =
  | { readonly type: 'owner'; readonly message: StageMessage }
  | { readonly type: 'snapshot'; readonly snapshot: HostSnapshot }
  /** Bytes of a running `fetch` or `load` job so far. */
  | { readonly type: 'progress'; readonly progress: ShardProgress }
  /** H12: fewer threads compute than were told to. */
  | { readonly type: 'threads'; readonly choice: ThreadChoice }
  /** M4: the link was closed here; the main thread closes its end. */
  | { readonly type: 'reject-peer'; readonly peer: NodeId; readonly why: string }
  /** The host's own code broke a promise: the main thread terminates and rebuilds the worker. */
  | { readonly type: 'failed'; readonly fault: FaultWire };

/** Live figures; sent at most every `STAGE_HOST.snapshotEveryMs`. */
export interface HostSnapshot {
  readonly sessions: number;
  /** For the next pong (V1). */
  readonly progress: readonly Progress[];
  readonly steps: number;
  readonly tokensServed: number;
  readonly tokensPerSecond: number;
  /** Median of the last decode steps and their rows; 0 where nothing can be compared. */
  readonly stepMsP50: number;
  readonly stepRows: number;
  readonly pagesFree: number;
  /** KV pages that sessions hold; 0 where none is open. */
  readonly pagesHeld: number;
  readonly memoryBytes: number;
  readonly computing: boolean;
}

/** What chunks are fetched for: an assigned shard, or what this node takes over (P1). */
export type FetchPurpose = 'shard' | 'take-over';

export interface ShardProgress {
  readonly stage: FetchPurpose | 'load';
  readonly range: LayerRange;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly networkBytes: number;
  readonly cacheBytes: number;
  /** Of a fetch: the chunk that just became whole; null where bytes came and no chunk is whole yet. */
  readonly chunk: ObtainedChunk | null;
}

export interface ShardRef {
  readonly hash: ManifestHash;
  readonly range: LayerRange;
}

export interface FetchedBytes {
  readonly networkBytes: number;
  readonly cacheBytes: number;
}

/** Every job of the worker: what it takes and what it answers. Faults cross as `FaultWire`. */
export interface HostJobs {
  /** Makes a manifest known by its hash; the other jobs and the ring name it so. */
  readonly model: { readonly args: { readonly manifest: Manifest }; readonly result: ManifestHash };
  /** Milliseconds of one real layer and of the head, before any download (P1). */
  readonly measure: {
    readonly args: { readonly hash: ManifestHash };
    readonly result: MeasuredCpu;
  };
  /** What the GPU is worth beside that; a fault where it could not be tried to the end. */
  readonly 'measure-gpu': {
    readonly args: {
      readonly hash: ManifestHash;
      readonly cpu: Speed;
      readonly wish: EngineWish;
    };
    readonly result: GpuFinding;
  };
  /** What `load` and the ring's loads make stages of from now on; the processor before the first. */
  readonly engine: {
    readonly args: {
      readonly use: Engine;
      readonly memoryBytes: number;
      readonly threads: ThreadChoice;
    };
    readonly result: null;
  };
  /** Layers whose chunks are all in the cache, as ranges. */
  readonly cached: {
    readonly args: { readonly hash: ManifestHash };
    readonly result: readonly LayerRange[];
  };
  /** Whether what is missing of a range would find room in the store. */
  readonly 'has-room': { readonly args: ShardRef; readonly result: boolean };
  /** Brings the missing chunks of a range to the cache. */
  readonly fetch: {
    readonly args: ShardRef & { readonly purpose: FetchPurpose };
    readonly result: FetchedBytes;
  };
  /** Makes, checks and warms the engine of a range; at once where it is there. */
  readonly load: {
    readonly args: ShardRef & { readonly numerics: Numerics };
    readonly result: null;
  };
  /** Frees every engine but these that no session uses. */
  readonly unload: {
    readonly args: { readonly keep: readonly ShardRef[] };
    readonly result: null;
  };
  /** The answer to a seeded input on a loaded range (M7). */
  readonly 'known-answer': {
    readonly args: ShardRef & { readonly seed: number; readonly rows: number };
    readonly result: KnownAnswer;
  };
}

export type HostJobName = keyof HostJobs;
