import type { FaultCode } from '#lib/kernel/errors.ts';
import type { IdentityId, ManifestHash, ModelId, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { Pace, PlacementModel, ReplanState } from '#lib/shard/placement/core.ts';
import type { OwnerState } from '#lib/shard/session/owner.ts';
import type { PrefixScope } from '#lib/shard/session/prefix.ts';
import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import type { NodeProfile, NodeState } from '#lib/shard/wire/node-messages.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import type { AnswerRequest } from './answers.ts';

/** What a cluster serves; fixed for the life of the orchestrator. */
export interface OrchestratorConfig {
  readonly modelId: ModelId;
  readonly manifest: ManifestHash;
  readonly model: PlacementModel;
  readonly minStages: number;
  readonly numerics: Numerics;
  /** How rows travel between nodes; `measured`: as narrow as their links need. */
  readonly wireDtype: WireDtype | 'measured';
  /** Most ids that the last place of a route may guess for one step. */
  readonly draftsMax: number;
  /** Of the first known answers: random, so that nobody knows them before this process (M7). */
  readonly seed: number;
}

/** Why a node is lost: what the log and the reader's `declai` field name. */
export const LOSS_CAUSES = [
  'silent',
  'disconnected',
  'left',
  'paused',
  'replaced',
  'wrong-answer',
  'no-prepared',
  'not-working',
  /** It said more than its rates allow (M5). */
  'overrun',
] as const;
export type LossCause = (typeof LOSS_CAUSES)[number];

export type Standing =
  | { readonly kind: 'working' }
  | { readonly kind: 'paused' }
  /** Its sessions may end, none begins. */
  | { readonly kind: 'finishing' }
  | { readonly kind: 'left'; readonly at: InstantMs }
  | { readonly kind: 'lost'; readonly at: InstantMs };

/** A known answer that is due (M7). */
export interface Check {
  readonly id: number;
  readonly range: LayerRange;
  readonly seed: number;
  readonly deadline: InstantMs;
  readonly answer: KnownAnswer | null;
}

export interface NodeRecord {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly identity: IdentityId;
  readonly address: string;
  readonly profile: NodeProfile;
  readonly standing: Standing;
  /** Since when its socket is closed; null while it is open. */
  readonly closedAt: InstantMs | null;
  /** Last pong (V1). */
  readonly heardAt: InstantMs;
  readonly rttMs: number | null;
  /** What the node says of itself, for the pages. */
  readonly reported: {
    readonly state: NodeState;
    readonly bytesLoaded: number;
    readonly bytesTotal: number;
  } | null;
  /** Lowered when a load failed for lack of memory or storage. */
  readonly memoryBytes: number;
  readonly range: LayerRange | null;
  readonly takeOver: LayerRange | null;
  /** Whether an `assign` was sent to this incarnation. */
  readonly told: boolean;
  /** In memory, as the node said. */
  readonly loaded: readonly LayerRange[];
  /** In its store: from its hello, its loads and its take-overs; newest last. */
  readonly cached: readonly LayerRange[];
  /** A known answer was right in this incarnation: its device computes as ours (M7). */
  readonly proven: boolean;
  readonly check: Check | null;
  readonly auditAt: InstantMs;
  /** Its live steps over predicted ones, by its own word. */
  readonly slowdown: number;
  /** How answers over it went (P3). */
  readonly pace: Pace;
  readonly served: { readonly tokens: number; readonly steps: number };
}

export interface LinkRecord {
  readonly a: NodeId;
  readonly b: NodeId;
  /** Ends that said open: a link counts when both did. */
  readonly openAt: readonly NodeId[];
  readonly path: 'direct' | 'relay';
  readonly rttMs: number | null;
  /** Bytes a millisecond from either end to the other, as that end says. */
  readonly rates: ReadonlyMap<NodeId, number>;
  /** Its direct path is suspect (V1). */
  readonly relayOnly: boolean;
  readonly tries: number;
  /** When to introduce again unless it is open. */
  readonly retryAt: InstantMs;
}

/** What was lost and when: open until the next accepted token. */
export interface Failover {
  readonly node: NodeId;
  readonly cause: LossCause;
  readonly lostAt: InstantMs;
  readonly routedAt: InstantMs | null;
  /** Every holder of the new route has its layers in memory and has reported (S5). */
  readonly loadedAt: InstantMs | null;
  readonly epoch: number;
}

export interface SessionRecord {
  readonly id: SessionId;
  readonly owner: OwnerState;
  readonly plan: RoutePlan | null;
  /** KV positions that admission reserved. */
  readonly positions: number;
  readonly startedAt: InstantMs;
  readonly acceptedAt: InstantMs;
  readonly failover: Failover | null;
  /** Milliseconds from token to token on the present route; `since` is the last token's instant. */
  readonly rounds: { readonly since: InstantMs | null; readonly ms: readonly number[] };
  /** `node@incarnation` that were lost to this session. */
  readonly lost: readonly string[];
}

/** Whose pages a request may use, and the names of its own (S3). */
export interface PromptPages {
  readonly scope: PrefixScope;
  readonly digests: readonly string[];
}

export interface Waiting {
  /** Null: it shares nothing. */
  readonly pages: PromptPages | null;
  readonly session: SessionId;
  readonly request: AnswerRequest;
  readonly since: InstantMs;
  /** Last told to the reader. */
  readonly position: number;
}

/** A route that computed a prompt, so that who goes on with it returns to its pages. */
export interface PrefixRoute {
  /** Names of the pages that its places had, each at its own time. */
  readonly digests: readonly string[];
  readonly places: readonly PlannedPlace[];
  /** How the rows travelled that they are of. */
  readonly wireDtype: WireDtype;
}

export interface OrchestratorState {
  readonly config: OrchestratorConfig;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  readonly links: ReadonlyMap<string, LinkRecord>;
  readonly sessions: ReadonlyMap<SessionId, SessionRecord>;
  readonly queue: readonly Waiting[];
  /** Who computed which prompts, newest last. */
  readonly prefixRoutes: readonly PrefixRoute[];
  /** Grows when a node's work proves wrong: what was computed with it is found no more (M7). */
  readonly prefixAge: number;
  /** The present cut. */
  readonly stages: readonly LayerRange[];
  readonly replan: ReplanState;
  readonly speedCheckAt: InstantMs;
  /** Last join, leave or loss: patience counts from here. */
  readonly changedAt: InstantMs;
  readonly tickedAt: InstantMs;
  /** Recomputed answers by `first-last/seed/numerics`; null: asked for. */
  readonly expected: ReadonlyMap<string, KnownAnswer | null>;
  readonly recheckAt: InstantMs;
  readonly nextCheck: number;
}

/** Where a fenced node learns why. */
export interface FenceReason {
  readonly code: FaultCode;
  readonly message: string;
}

export const nodeKey = (node: { readonly node: NodeId; readonly incarnation: number }): string =>
  `${node.node}@${node.incarnation}`;

export function createState(config: OrchestratorConfig, now: InstantMs): OrchestratorState {
  return {
    config,
    nodes: new Map(),
    links: new Map(),
    sessions: new Map(),
    queue: [],
    prefixRoutes: [],
    prefixAge: 0,
    stages: [],
    replan: { gainSince: null, lastAt: null },
    speedCheckAt: now,
    changedAt: now,
    tickedAt: now,
    expected: new Map(),
    recheckAt: now,
    nextCheck: 1,
  };
}
