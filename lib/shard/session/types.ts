import type { InstantMs } from '#lib/kernel/units.ts';
import type { Epoch, ManifestHash, NodeId, Place, SessionId } from '#lib/kernel/ids.ts';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { SamplingParams } from '#lib/webgpu/sampling/params.ts';
import type {
  OwnerMessage,
  Progress,
  StageMessage,
  WireDtype,
} from '#lib/shard/wire/session-messages.ts';
import type { PrefixSharing } from './prefix.ts';

/** The seam of the owner's core: what the orchestrator feeds and performs. */

export interface SessionRequest {
  readonly session: SessionId;
  readonly manifest: ManifestHash;
  readonly promptIds: readonly number[];
  /** Accepted before this session began: a page that resumes elsewhere sends them (S13). */
  readonly acceptedIds: readonly number[];
  readonly maxTokens: number;
  readonly sampling: SamplingParams;
  /** A schema as JSON that the answer has to fit; null: any text. */
  readonly grammar: string | null;
  /**
   * Whether an id may follow the accepted ones in an answer that has to fit something; it says the same
   * whenever it is asked. Absent: any id may.
   */
  readonly mayFollow?: (acceptedIds: readonly number[], id: number) => boolean;
  /** Empty with `ignore_eos`. */
  readonly eosIds: readonly number[];
  /**
   * Most ids that the last place may guess for one step, at most `RING.draftsMax`. It is told the
   * prompt for that; 0: it guesses none, and learns no more than what it samples.
   */
  readonly draftsMax: number;
  /** Absent: no page of another session is used, and none of this one kept. */
  readonly prefix?: PrefixSharing;
}

/** One place as placement proposes it; the owner's core adds `since`. */
export interface PlannedPlace {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly range: LayerRange;
  readonly path: 'direct' | 'relay';
}

/** A route to run a session on, with the times it is held to (V1). */
export interface RoutePlan {
  readonly places: readonly PlannedPlace[];
  readonly numerics: Numerics;
  readonly wireDtype: WireDtype;
  readonly chunkRows: number;
  /** Predicted milliseconds of one decode round, and of one prefill chunk on the slowest place. */
  readonly roundMs: number;
  readonly chunkMs: number;
  /** Predicted milliseconds until a place that must load its range has done so; 0 where loaded. */
  readonly loadMs: number;
}

export type OwnerInput =
  /** A stage's message, stamped by its socket; of an older incarnation it is ignored (V3). */
  | {
      readonly type: 'message';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly message: StageMessage;
    }
  /** Declared dead, fenced or left (V2, V3): the only word that removes a holder. */
  | { readonly type: 'node-lost'; readonly node: NodeId; readonly incarnation: number }
  /** A node that had paused works again: it may be given places, with nothing kept (V2). */
  | { readonly type: 'node-returned'; readonly node: NodeId; readonly incarnation: number }
  /** The socket of a living incarnation came back; its `resync` follows as a message. */
  | { readonly type: 'node-back'; readonly node: NodeId; readonly incarnation: number }
  /** Answer to `need-route`; null: no cover just now (asked again at the next `nodes-changed`). */
  | { readonly type: 'route'; readonly plan: RoutePlan | null }
  /** Somebody joined or became ready: a session without a route asks again. */
  | { readonly type: 'nodes-changed' }
  | {
      readonly type: 'progress';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly progress: readonly Progress[];
    }
  /** The reader hung up, pressed Stop, or a stop string matched. */
  | { readonly type: 'cancel' }
  | { readonly type: 'tick' };

export type OwnerOutput =
  | {
      readonly type: 'send';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly message: OwnerMessage;
    }
  /** To the reader: exactly once an index, in order (S1). */
  | {
      readonly type: 'accept';
      readonly index: number;
      readonly id: number;
      /** `stop`: EOS; `length`: max tokens. */
      readonly finish: 'stop' | 'length' | null;
      /** Where the request asks for them; the word of who sampled. */
      readonly logprobs?: TokenLogprobs;
    }
  /**
   * The orchestrator answers with a `route` input, at once or later. Living holders in `keep` stay
   * at their places with their ranges (S6); `relay` names pairs whose direct path is suspect (V1);
   * `without` get no place, whoever they are (V3).
   */
  | {
      readonly type: 'need-route';
      readonly keep: readonly PlannedPlace[];
      readonly relay: readonly (readonly [NodeId, NodeId])[];
      readonly without: readonly NodeId[];
    }
  /** The orchestrator fences this incarnation (V1, V3). */
  | {
      readonly type: 'declare';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly why: 'no-prepared' | 'not-working' | 'wrong-answer';
    }
  /** For the reader's `declai` field and the operator's log. */
  | {
      readonly type: 'route-changed';
      readonly epoch: Epoch;
      readonly plan: RoutePlan;
      /** Index of the next token: where the failover happened. */
      readonly atIndex: number;
      readonly cause: string;
    }
  /** In the first epoch: positions of the prompt that no place computes, for all had them (S5). */
  | { readonly type: 'prefix-hit'; readonly positions: number }
  /** The session is over; `end` has been sent to every node of every epoch. */
  | {
      readonly type: 'done';
      readonly outcome:
        | { readonly kind: 'finished' }
        | { readonly kind: 'cancelled' }
        | { readonly kind: 'lost'; readonly code: FaultCode };
    };

export type OwnerStep<State> = readonly [State, readonly OwnerOutput[]];

/** Names for the core's own files: `createOwner(request, plan, now)`, `stepOwner(state, input, now)`. */
export type StepOwner<State> = (
  state: State,
  input: OwnerInput,
  now: InstantMs,
) => OwnerStep<State>;

export interface OwnerView {
  readonly epoch: Epoch;
  readonly phase: 'routing' | 'preparing' | 'filling' | 'decoding' | 'done';
  readonly accepted: number;
  readonly places: readonly (PlannedPlace & { readonly place: Place; readonly since: Epoch })[];
  /** Earliest instant at which a `tick` would do something. */
  readonly deadline: InstantMs;
}
