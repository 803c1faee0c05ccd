import type { FaultWire } from '#lib/kernel/errors.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { NewsMessage } from '#lib/shard/mesh/types.ts';
import type { Assignment, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { EngineChoice } from '#lib/webgpu/capability/choose-engine.ts';
import type { FetchPurpose } from '#lib/shard/stage/host-protocol.ts';

/** The life of a volunteer's node: its states, what it hears, and what it orders. */

export type KnownAnswerAsk = Extract<ServerMessage, { type: 'known-answer' }>;
export type ModelRef = Assignment['model'];

/** The way of an assigned range into use; `task` fences answers to orders of before. */
export type ShardState =
  | { readonly kind: 'none' }
  | { readonly kind: 'fetching'; readonly task: number }
  | { readonly kind: 'warming'; readonly task: number }
  /** In memory; the server checks a known answer (M7). */
  | { readonly kind: 'checking' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly fault: FaultWire; readonly retryAt: InstantMs };

export type TakeOverState =
  | { readonly kind: 'none' }
  | { readonly kind: 'wanted'; readonly from: InstantMs }
  | { readonly kind: 'fetching'; readonly task: number }
  | { readonly kind: 'cached' };

export interface Member {
  readonly phase: 'member';
  readonly model: ModelRef;
  readonly measured: EngineChoice;
  /** False between a broken socket and its resume: sessions go on over the links. */
  readonly connected: boolean;
  readonly use: 'lent' | 'paused' | 'finishing';
  /** True until the first `assign` of this incarnation. */
  readonly awaiting: boolean;
  readonly assignment: Assignment | null;
  readonly shard: ShardState;
  readonly takeOver: TakeOverState;
  /** A chunk found no room since the hello: the server gives fewer layers, the person is told why. */
  readonly storageFull: boolean;
  readonly sessions: number;
  readonly nextTask: number;
}

export type NodeState =
  | { readonly phase: 'off'; readonly fault: FaultWire | null }
  /** Asking the server which model it serves. */
  | { readonly phase: 'joining'; readonly attempt: number }
  | { readonly phase: 'measuring'; readonly attempt: number; readonly model: ModelRef }
  /** Hello is on its way. */
  | {
      readonly phase: 'greeting';
      readonly attempt: number;
      readonly model: ModelRef;
      readonly measured: EngineChoice;
    }
  | Member
  | { readonly phase: 'leaving'; readonly deadline: InstantMs }
  /** `retryAt` null: only the person's click starts it again. */
  | {
      readonly phase: 'lost';
      readonly fault: FaultWire;
      readonly attempt: number;
      readonly retryAt: InstantMs | null;
    };

export type NodeInput =
  | { readonly type: 'start' | 'pause' | 'resume' | 'finish' | 'stop' }
  | { readonly type: 'contacted'; readonly model: ModelRef }
  | { readonly type: 'measured'; readonly measured: EngineChoice }
  /** Contact, measuring or the handshake failed; or the device is wrong. */
  | { readonly type: 'join-failed'; readonly fault: FaultWire }
  /** `resumed`: the same incarnation again; else a new one, of which the server knows nothing. */
  | { readonly type: 'welcome'; readonly resumed: boolean }
  | { readonly type: 'disconnected' }
  | { readonly type: 'goodbye'; readonly fault: FaultWire }
  | { readonly type: 'assign'; readonly assignment: Assignment | null }
  | { readonly type: 'known-answer'; readonly ask: KnownAnswerAsk }
  | { readonly type: 'known-answer-done'; readonly id: number; readonly answer: KnownAnswer }
  | { readonly type: 'trusted'; readonly range: LayerRange }
  | { readonly type: 'fetched'; readonly task: number }
  | {
      readonly type: 'loaded';
      readonly task: number;
      readonly networkBytes: number;
      readonly cacheBytes: number;
    }
  | { readonly type: 'task-failed'; readonly task: number; readonly fault: FaultWire }
  | { readonly type: 'sessions'; readonly count: number }
  | { readonly type: 'worker-lost'; readonly fault: FaultWire }
  /** What found no room would find it now. */
  | { readonly type: 'room-found' }
  | { readonly type: 'left' }
  | { readonly type: 'tick' };

export type NodeOutput =
  /** Find the model by its server and have a worker that knows it: `contacted` or `join-failed`. */
  | { readonly type: 'contact' }
  | { readonly type: 'measure' }
  /** Connect and sign the hello: `welcome`, `goodbye` or `join-failed`. */
  | { readonly type: 'hello'; readonly measured: EngineChoice }
  | { readonly type: 'send'; readonly message: NewsMessage }
  | { readonly type: 'worker'; readonly command: 'pause' | 'resume' | 'socket-back' }
  | {
      readonly type: 'fetch';
      readonly task: number;
      readonly purpose: FetchPurpose;
      readonly range: LayerRange;
    }
  | { readonly type: 'abort-fetch'; readonly purpose: FetchPurpose }
  | { readonly type: 'load'; readonly task: number; readonly assignment: Assignment }
  | { readonly type: 'unload-idle'; readonly keep: LayerRange | null }
  | { readonly type: 'known-answer'; readonly ask: KnownAnswerAsk }
  /** A chunk of this range found no room: `room-found` when it would. */
  | { readonly type: 'watch-room'; readonly range: LayerRange }
  /** Close socket and links after what was sent is out: `left`. */
  | { readonly type: 'disconnect' }
  | { readonly type: 'drop-worker' };

export type NodeStep = readonly [NodeState, readonly NodeOutput[]];

export const sameRange = (a: LayerRange | null, b: LayerRange | null): boolean =>
  a?.first === b?.first && a?.last === b?.last;

/** Lent, and neither loads nor fetches nor serves: its threads and its line are free. */
export const isIdle = (state: NodeState): boolean =>
  state.phase === 'member' &&
  state.use === 'lent' &&
  !state.awaiting &&
  state.sessions === 0 &&
  state.takeOver.kind !== 'fetching' &&
  (state.assignment === null || state.shard.kind === 'ready');
