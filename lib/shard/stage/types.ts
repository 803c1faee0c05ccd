import type { InstantMs } from '#lib/kernel/units.ts';
import type { Epoch, ManifestHash, NodeId, Place, SessionId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import type { OwnerMessage, Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { Sampled, Want } from '#lib/webgpu/stage.ts';

/**
 * The seam of a node's side of the ring: one pure core for all sessions and places of the node.
 * The shell (the inference worker) owns engines, links and the clock.
 */

/** Names one loaded `Stage` of this node. */
export const shardKey = (manifest: ManifestHash, range: LayerRange): string =>
  `${manifest}/${range.first}-${range.last}`;

/** One session's part of a run: appended to that place's KV at `firstPosition`. */
export interface RunSegment {
  readonly session: SessionId;
  /** Names the KV within its session and shard, as in `kv`; the same in every epoch. */
  readonly place: Place;
  readonly epoch: Epoch;
  readonly firstPosition: number;
  readonly rows: number;
  /**
   * Tokens that the answer is further by than at this place's step before: 1, or more where drafts
   * stood; 0 for prefill.
   */
  readonly tokens: number;
  /** Stage 0: ids; other places: [rows × width] fp32. */
  readonly ids: Int32Array | null;
  readonly hidden: Float32Array | null;
  readonly want: Want;
  /** What the sampled id has to fit: the shell gives `want` its mask. Null: nothing. */
  readonly grammar: GrammarRef | null;
}

/** A grammar is of a schema, as JSON, and of a model's vocabulary. */
export interface GrammarRef {
  readonly manifest: ManifestHash;
  readonly schema: string;
}

export interface RunResult {
  readonly hidden: Float32Array | null;
  /** One where the last row was to be sampled, one a row where all were; else none. */
  readonly sampled: readonly Sampled[];
}

export type StageInput =
  | { readonly type: 'message'; readonly message: OwnerMessage }
  /**
   * What arrived together. `from` is the authenticated peer of the link; this node's own id for hops
   * joined in memory.
   */
  | { readonly type: 'frames'; readonly from: NodeId; readonly frames: readonly Frame[] }
  | { readonly type: 'link-open'; readonly peer: NodeId; readonly path: 'direct' | 'relay' }
  | { readonly type: 'link-closed'; readonly peer: NodeId }
  /** Answer to `load`: the loaded stage's limits, and what its model takes as input. */
  | {
      readonly type: 'shard-ready';
      readonly shard: string;
      readonly pagePositions: number;
      readonly pagesMax: number;
      readonly rowsMax: number;
      readonly rowWidth: number;
      readonly vocab: number;
    }
  | { readonly type: 'shard-failed'; readonly shard: string }
  /** Answers to `grammar`. */
  | { readonly type: 'grammar-ready'; readonly session: SessionId }
  | { readonly type: 'grammar-failed'; readonly session: SessionId }
  /** The shard was unloaded or its engine lost: its KV is gone. */
  | { readonly type: 'shard-gone'; readonly shard: string }
  /** `ms`: how long the engine took. */
  | {
      readonly type: 'run-done';
      readonly run: number;
      readonly ms: number;
      readonly results: readonly RunResult[];
    }
  | { readonly type: 'run-failed'; readonly run: number; readonly why: 'no-room' | 'engine' }
  /** After a run, and after all that waited while it ran: the next may be planned. */
  | { readonly type: 'turn' }
  /** Answer to a `kv` order `share`: positions that the KV has now. */
  | {
      readonly type: 'kv-shared';
      readonly shard: string;
      readonly session: SessionId;
      readonly place: Place;
      readonly epoch: Epoch;
      readonly length: number;
    }
  /** The owner's socket is back: name sessions and epochs (S4). */
  | { readonly type: 'socket-back' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'tick' };

/** Never emitted while a run of that place is in flight. */
export type KvOrder = {
  readonly type: 'kv';
  readonly shard: string;
  readonly session: SessionId;
  /** The place at which this KV was opened: it names the KV, also when the route shifts. */
  readonly place: Place;
} & KvOp;

export type KvOp =
  /** `length` 0 with `close`: forget the KV. */
  | { readonly op: 'open' | 'truncate' | 'close'; readonly length: number }
  /** An empty KV begins with the pages of these keys, as far as there are any: `kv-shared` says. */
  | { readonly op: 'share'; readonly epoch: Epoch; readonly keys: readonly string[] }
  /** Whole pages from `firstPage` on are found by these keys from now on. */
  | { readonly op: 'keep'; readonly firstPage: number; readonly keys: readonly string[] };

export type StageOutput =
  | { readonly type: 'owner'; readonly message: StageMessage }
  | { readonly type: 'frame'; readonly to: NodeId; readonly frame: Frame }
  /** Make the engine of this range, from the cache where possible. */
  | {
      readonly type: 'load';
      readonly shard: string;
      readonly manifest: ManifestHash;
      readonly range: LayerRange;
      readonly numerics: 'exact' | 'int16';
    }
  /** Make this grammar, and the vocabulary where it is not here: asked once until it fails. */
  | { readonly type: 'grammar'; readonly session: SessionId; readonly grammar: GrammarRef }
  /**
   * One engine run at a time a node; ragged: decode rows of all sessions first, then prefill up to
   * the budget. The shell answers `run-done` or `run-failed`, and then `turn`.
   */
  | {
      readonly type: 'run';
      readonly run: number;
      readonly shard: string;
      readonly segments: readonly RunSegment[];
    }
  | KvOrder
  /** A peer's message broke M4 or held non-finite values: the shell closes the link. */
  | { readonly type: 'reject-peer'; readonly peer: NodeId; readonly why: string };

/** Names for the core's own files: `createStageCore(self, options)`, `stepStage(state, input, now)`. */
export type StepStage<State> = (
  state: State,
  input: StageInput,
  now: InstantMs,
) => readonly [State, readonly StageOutput[]];

export interface StageView {
  readonly sessions: number;
  readonly progress: readonly Progress[];
  readonly tokensSampled: number;
  readonly runs: number;
  readonly keptBytes: number;
  /** Earliest instant at which a `tick` would do something. */
  readonly deadline: InstantMs;
}
