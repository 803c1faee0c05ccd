import type { FaultWire } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { ReasonCode } from '#lib/kernel/reasons.ts';
import type { EngineWish } from '#lib/webgpu/capability/choose-engine.ts';
import type { Engine, LayerRange } from '#lib/webgpu/model.ts';
import type { NodeState } from '#lib/shard/wire/node-messages.ts';

/**
 * The one door between a volunteer's page (or a headless process) and the node runtime.
 * `browser.ts` exports `createVolunteer: CreateVolunteer`, imported dynamically at the first click:
 * nothing computes, connects or downloads before `start()`.
 */
export type VolunteerPhase = 'off' | NodeState;

export interface VolunteerPeer {
  readonly id: NodeId;
  readonly path: 'direct' | 'relay';
  readonly rttMs: number | null;
}

/** Immutable; a new object on every change and only then (`useSyncExternalStore` compares it). */
export interface VolunteerSnapshot {
  readonly phase: VolunteerPhase;
  /** Why it is idle, paused or refused; null where the phase says it all. */
  readonly reason: ReasonCode | null;
  /** What ended or hinders the work; `wire/version` means: reload the page. Cleared by `start()`. */
  readonly fault: FaultWire | null;
  /** Lost, and coming back by itself: `stop()` prevents it (N9). */
  readonly rejoins: boolean;
  /** For people: `Chromium 156 · 8 cores`. Empty until found. */
  readonly device: string;
  /** What computes here, and why; null until measured. */
  readonly engine: { readonly name: Engine; readonly reason: ReasonCode } | null;
  /** Milliseconds a layer at 1, 8 and 64 rows. */
  readonly measured: { readonly layerMs: readonly [number, number, number] } | null;
  /** With how many threads the processor computes, and why not more. */
  readonly threads: { readonly count: number; readonly reason: ReasonCode } | null;
  readonly model: string | null;
  readonly range: LayerRange | null;
  readonly layersTotal: number | null;
  /** What this node takes over when another leaves (P1). */
  readonly takeOver: LayerRange | null;
  /** Bytes of the shard's tensors in memory, of those needed. */
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  /**
   * Since `start()`, take-over chunks included. From the cache each chunk counts once, and not where
   * it came from the network before.
   */
  readonly bytesFromNetwork: number;
  readonly bytesFromCache: number;
  /** Until ready, by the rate of this load; null while unknown. */
  readonly secondsLeft: number | null;
  readonly sessions: number;
  /** KV pages in the worker that sessions hold; 0 once the last one has ended. */
  readonly pagesHeld: number;
  readonly tokensServed: number;
  /** Rows sampled or passed on per second, over the last seconds; 0 while idle. */
  readonly tokensPerSecond: number;
  /** Engine steps since `start()`; stands still within 1 s of `pause()` (A7). */
  readonly steps: number;
  /** Milliseconds of an engine step, median of the last ones; 0 before the first. */
  readonly stepMsP50: number;
  /** Payload bytes that the open links have sent, as the connections count them. */
  readonly frameBytesSent: number;
  readonly peers: readonly VolunteerPeer[];
  readonly nodeId: NodeId | null;
  /** True exactly while the processor works for others: the page's light. */
  readonly computing: boolean;
}

export interface VolunteerOptions {
  /** Origin of the server, `https://host:port`: `location.origin` in a page. */
  readonly serverUrl: string;
  /** Memory lent, bytes; null: what the device's memory suggests. */
  readonly memoryLentBytes: number | null;
  /** What computes: what is measured to be faster, or what the person says. */
  readonly engine: EngineWish;
  /** How much of the processor is lent, 0 (light: one thread) to 1 (all cores but one). */
  readonly power: number;
  /** Threads that compute; null: as many as `power` allows and as pay. */
  readonly threads: number | null;
  /** Hold a wake lock while the page is visible. */
  readonly keepAwake: boolean;
  /** Hide this machine's addresses from other nodes: every link goes through the server (M6). */
  readonly relayOnly: boolean;
}

/** All methods are idempotent and never throw: what goes wrong is `fault` in the snapshot. */
export interface Volunteer {
  /** Calls back after every change, at most once a frame; returns the unsubscriber. */
  subscribe(onChange: () => void): () => void;
  getSnapshot(): VolunteerSnapshot;
  /** From `off` or `lost`: joins, measures, loads. */
  start(): void;
  /** Nothing computes after 1 s; running answers go on elsewhere. The shard stays in memory. */
  pause(): void;
  resume(): void;
  /** Takes no new session, then stops when the last one ends. */
  finish(): void;
  /** Leaves at once (V2); sends the leave message before it returns, so `pagehide` may call it. */
  stop(): void;
}

export type CreateVolunteer = (options: VolunteerOptions) => Volunteer;

export const VOLUNTEER_OFF: VolunteerSnapshot = {
  phase: 'off',
  reason: null,
  fault: null,
  rejoins: false,
  device: '',
  engine: null,
  measured: null,
  threads: null,
  model: null,
  range: null,
  layersTotal: null,
  takeOver: null,
  bytesLoaded: 0,
  bytesTotal: 0,
  bytesFromNetwork: 0,
  bytesFromCache: 0,
  secondsLeft: null,
  sessions: 0,
  pagesHeld: 0,
  tokensServed: 0,
  tokensPerSecond: 0,
  steps: 0,
  stepMsP50: 0,
  frameBytesSent: 0,
  peers: [],
  nodeId: null,
  computing: false,
};
