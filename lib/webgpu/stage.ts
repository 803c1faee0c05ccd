import type { LayerRange, ModelShape, Numerics, WeightSource } from './model.ts';
import type { TokenLogprobs } from './sampling/logprobs.ts';
import type { SamplingParams } from './sampling/params.ts';
import type { SamplePoint } from './sampling/sample.ts';

/**
 * What a stage promises of a row's values. `bits`: the same to the bit in any batch, on any machine
 * (CPU). `tolerance`: within 1e-4 of the largest, whatever the batch (GPU). `half`: within 1e-2 (GPU
 * in 16 bits).
 */
export type StageClass = 'bits' | 'tolerance' | 'half';

/** A session's KV cache in one stage. Made by `openKv`, dead after `closeKv`. */
export type KvId = number;

/** What the caller wants back of a segment. */
export type Want =
  /** Nothing: the rows only fill the KV cache. */
  | { readonly kind: 'none' }
  /** Hidden states of all rows, fp32 (stages without the head). */
  | { readonly kind: 'hidden' }
  /** The id sampled from the last row's logits (stages with the head; rule S8). */
  | ({ readonly kind: 'sample'; readonly params: SamplingParams } & SamplePoint)
  /** An id for each row, of that row's logits: the rows of drafts that are tried out. */
  | {
      readonly kind: 'sample-rows';
      readonly params: SamplingParams;
      /** One a row. */
      readonly points: readonly SamplePoint[];
    }
  /** Logits of every row, fp32 (stages with the head; tests and audits). */
  | { readonly kind: 'logits' };

/** Consecutive rows of one session. A step takes segments of many sessions, ragged. */
export interface Segment {
  readonly kv: KvId;
  /** Must equal the KV's length: callers truncate first (S3). */
  readonly firstPosition: number;
  readonly rows: number;
  /** Token ids (stages with the embedding), else null. */
  readonly ids: Int32Array | null;
  /** Hidden states [rows × hidden] fp32 (stages without the embedding), else null. */
  readonly hidden: Float32Array | null;
  readonly want: Want;
}

/** Answer to the segment of the same index; members that were not wanted are null. */
export interface SegmentResult {
  readonly hidden: Float32Array | null;
  readonly sampledId: number | null;
  /** With a sampled id, where its parameters ask for them. */
  readonly logprobs?: TokenLogprobs;
  /** Of `sample-rows`: one a row, in order. */
  readonly sampled?: readonly Sampled[];
  readonly logits: Float32Array | null;
}

/** An id that was chosen. */
export interface Sampled {
  readonly id: number;
  /** Where the parameters ask for them. */
  readonly logprobs?: TokenLogprobs;
}

/**
 * Whole KV pages that outlive their session, found by keys that name all that they depend on: an
 * equal key promises equal bits. What nobody uses gives way as soon as pages run short.
 */
export interface PrefixCache {
  /** An empty KV begins with the pages of `keys`, in order, as far as they are here. @returns its length. */
  share(kv: KvId, keys: readonly string[]): number;
  /** From now on the KV's whole pages from `firstPage` on are found by `keys`. */
  keep(kv: KvId, firstPage: number, keys: readonly string[]): void;
}

/**
 * One node's share of a model at work: the only door to an engine. A row's bits never depend on
 * its batch, its chunk or (CPU) the machine. One `step` at a time: callers wait for the promise.
 */
export interface Stage {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  /** Most rows of one step, all segments together. */
  readonly rowsMax: number;
  /** Runs of so many rows, each followed by one of one row, go through every kernel it has. */
  readonly warmUpRows: readonly number[];
  /** So do steps of one row each of so many sessions. */
  readonly warmUpSessions: readonly number[];
  /** Positions a KV page holds, and pages in all and free: admission counts with these. */
  readonly pagePositions: number;
  readonly pagesMax: number;
  pagesFree(): number;
  /** Bytes held: weights, KV and scratch. */
  memoryBytes(): number;
  openKv(): KvId;
  kvLength(kv: KvId): number;
  /** Forgets positions ≥ `length`; gives whole pages back. */
  truncateKv(kv: KvId, length: number): void;
  closeKv(kv: KvId): void;
  /** Where the engine has one. */
  readonly prefixCache?: PrefixCache;
  /**
   * Appends the rows of each segment to its KV and computes what is wanted.
   * @throws FaultError `engine/no-pages` before anything changed, when pages run short;
   *   `engine/lost` when the device is gone.
   */
  step(segments: readonly Segment[]): Promise<SegmentResult[]>;
  dispose(): void;
}

export interface StageOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  /** KV pages are made on demand up to this many bytes. */
  readonly kvBytesMax: number;
  readonly weights: WeightSource;
  /** Called after each part with bytes of stored weights taken in so far. */
  readonly onProgress?: (storedBytes: number) => void;
}

/** Every implementation is a `StageFactory`; the contract suite lists them. */
export type StageFactory = (options: StageOptions) => Promise<Stage>;
