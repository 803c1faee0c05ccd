import type { FaultError } from '#lib/kernel/errors.ts';
import type { ModelId, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { Engine, LayerRange } from '#lib/webgpu/model.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { PrefixScope } from '#lib/shard/session/prefix.ts';
import type { SessionRequest } from '#lib/shard/session/types.ts';
import type { NodeState } from '#lib/shard/wire/node-messages.ts';

/** The gateway's door to answers: everything it may ask of the orchestrator. */

/** What a session computes; which pages it may share the orchestrator knows. */
export interface AnswerRequest extends Pick<
  SessionRequest,
  'promptIds' | 'acceptedIds' | 'maxTokens' | 'sampling' | 'grammar' | 'mayFollow' | 'eosIds'
> {
  readonly model: ModelId;
  /** Whose pages it may use; absent: nothing is shared. */
  readonly prefix?: PrefixScope;
}

export interface RouteView {
  readonly epoch: number;
  readonly places: readonly {
    readonly node: NodeId;
    readonly kind: 'tab' | 'node';
    readonly firstLayer: number;
    readonly lastLayer: number;
    readonly path: 'direct' | 'relay';
  }[];
  /** Index of the first token of this route; > 0 after a failover. */
  readonly atIndex: number;
  readonly cause: string | null;
}

export type AnswerEvent =
  /** Waiting for room or for a node; 0 is next. */
  | { readonly type: 'queued'; readonly position: number }
  | { readonly type: 'route'; readonly route: RouteView }
  /** So many ids of the prompt were computed before, by a session that shares its pages with this one. */
  | { readonly type: 'prefix-hit'; readonly positions: number }
  | {
      readonly type: 'token';
      readonly index: number;
      readonly id: number;
      readonly finish: 'stop' | 'length' | null;
      readonly logprobs?: TokenLogprobs;
    }
  | { readonly type: 'cancelled' }
  | { readonly type: 'lost'; readonly fault: FaultError };

export interface Answer {
  readonly session: SessionId;
  /** Idempotent; the nodes are free within a second (S10). */
  cancel(): void;
}

export interface NodeView {
  readonly id: NodeId;
  readonly kind: 'tab' | 'node';
  readonly state: NodeState;
  readonly model: ModelId | null;
  readonly firstLayer: number | null;
  readonly lastLayer: number | null;
  readonly takeOver: LayerRange | null;
  readonly device: string;
  readonly engine: Engine;
  readonly rttMs: number | null;
  readonly sessions: number;
  readonly tokensServed: number;
  readonly steps: number;
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  readonly links: readonly {
    readonly peer: NodeId;
    readonly path: 'direct' | 'relay';
    readonly rttMs: number | null;
  }[];
}

export interface ClusterView {
  readonly nodes: readonly NodeView[];
  readonly routes: readonly { readonly model: ModelId; readonly places: RouteView['places'] }[];
  /** Open sessions, and requests that wait. */
  readonly sessions: number;
  readonly queued: number;
  readonly relayedBytes: number;
  /** Layers that nobody holds, of every model served; no ranges where an answer can start. */
  readonly uncovered: readonly {
    readonly model: ModelId;
    readonly ranges: readonly LayerRange[];
  }[];
}

export interface Answers {
  /**
   * Starts an answer or puts it in the bounded queue. Events come in order until `finish`,
   * `cancelled` or `lost`.
   * @throws FaultError `session/no-cover`, `session/queue-full`, `request/model-not-found`.
   */
  start(request: AnswerRequest, onEvent: (event: AnswerEvent) => void): Answer;
  view(): ClusterView;
  /** Sessions that run or wait, and how many may: for admission and its headers. */
  load(): { readonly running: number; readonly queued: number; readonly queuedMax: number };
}
