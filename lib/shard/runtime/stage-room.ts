import { toFault, type FaultWire } from '#lib/kernel/errors.ts';
import type { ManifestHash, NodeId } from '#lib/kernel/ids.ts';
import { systemClock } from '#lib/kernel/ports.ts';
import type {
  EngineChoice,
  EngineWish,
  GpuFinding,
  MeasuredCpu,
} from '#lib/webgpu/capability/choose-engine.ts';
import type { Speed } from '#lib/webgpu/capability/measure.ts';
import type { ThreadChoice, ThreadPlan } from '#lib/webgpu/capability/threads.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import type {
  FetchedBytes,
  HostCommand,
  HostReport,
  HostSnapshot,
} from '#lib/shard/stage/host-protocol.ts';
import { ByteMeter } from './byte-meter.ts';
import type { NodeInput, NodeOutput } from './node-state.ts';
import type { WorkerHandle } from './platform.ts';
import { StageWorker } from './stage-worker.ts';

/** Orders of the node's machine that the inference worker carries out. */
export type StageOrder = Extract<
  NodeOutput,
  { type: 'fetch' | 'load' | 'unload-idle' | 'known-answer' }
>;

export interface StageRoomOptions {
  readonly serverUrl: string;
  readonly memoryLentBytes: number;
  readonly threads: ThreadPlan;
  readonly startWorker: () => WorkerHandle;
  readonly feed: (input: NodeInput) => void;
  /** Ring messages and refused peers; the room keeps figures and bytes to itself. */
  readonly onReport: (report: Extract<HostReport, { type: 'owner' | 'reject-peer' }>) => void;
  readonly onChange: () => void;
}

/** Whose worker it is, and of which model. */
export interface OpenedFor {
  readonly self: NodeId;
  readonly hash: ManifestHash;
  readonly manifest: Manifest;
}

interface Tenant {
  readonly worker: StageWorker;
  readonly hash: ManifestHash;
}

const NOTHING: FetchedBytes = { networkBytes: 0, cacheBytes: 0 };

/**
 * Where the worker lives: at most one, made when it is needed, dropped and made anew when it died.
 * What a dropped worker still answers is not heard. Counts go on over workers.
 */
export class StageRoom {
  readonly meter = new ByteMeter();
  readonly #options: StageRoomOptions;
  #tenant: Tenant | null = null;
  #opened: OpenedFor | null = null;
  #view: HostSnapshot | null = null;
  #threads: ThreadChoice | null = null;
  #stepsBefore = 0;
  #tokensBefore = 0;
  #fetched = NOTHING;
  #cached: readonly LayerRange[] = [];

  constructor(options: StageRoomOptions) {
    this.#options = options;
  }

  get view(): HostSnapshot | null {
    return this.#view;
  }

  steps(): number {
    return this.#stepsBefore + (this.#view?.steps ?? 0);
  }

  tokensServed(): number {
    return this.#tokensBefore + (this.#view?.tokensServed ?? 0);
  }

  /** A worker that knows the manifest. @throws FaultError `engine/lost`. */
  async open(opened: OpenedFor): Promise<void> {
    this.drop();
    this.#opened = opened;
    const { self, hash, manifest } = opened;
    const { startWorker, serverUrl, memoryLentBytes, threads } = this.#options;
    const worker: StageWorker = new StageWorker({
      ...{ self, serverUrl, memoryLentBytes, threads },
      handle: startWorker(),
      onReport: (report) => this.#onReport(worker, report),
      onLost: (fault) => this.#onLost(worker, fault),
    });
    this.#tenant = { worker, hash };
    await worker.job('model', { manifest });
  }

  measure(): Promise<MeasuredCpu> {
    return this.#use(({ worker, hash }) => worker.job('measure', { hash }));
  }

  /** @throws FaultError where the GPU could not be tried to the end. */
  measureGpu(cpu: Speed, wish: EngineWish): Promise<GpuFinding> {
    return this.#use(({ worker, hash }) => worker.job('measure-gpu', { hash, cpu, wish }));
  }

  /** Stages are made of that from now on. */
  async use({ engine, memoryBytes }: EngineChoice, threads: ThreadChoice): Promise<void> {
    this.#threads = threads;
    await this.#use(({ worker }) => worker.job('engine', { use: engine, memoryBytes, threads }));
  }

  /** With how many threads the processor computes, and why; null until that is chosen. */
  get threads(): ThreadChoice | null {
    return this.#threads;
  }

  /** A new worker: what ONNX Runtime took of memory goes back in no other way. */
  async renew(): Promise<void> {
    const opened = this.#opened;
    if (opened) await this.open(opened);
  }

  /** Layers whose chunks were in the cache when it was last looked at. */
  get cachedRanges(): readonly LayerRange[] {
    return this.#cached;
  }

  async lookUpCache(): Promise<void> {
    this.#cached = await this.#use(({ worker, hash }) => worker.job('cached', { hash }));
  }

  /** Whether what is missing of a range would find room in the store. @throws FaultError `engine/lost`. */
  hasRoom(range: LayerRange): Promise<boolean> {
    return this.#use(({ worker, hash }) => worker.job('has-room', { hash, range }));
  }

  command(command: HostCommand): boolean {
    this.#tenant?.worker.command(command);
    return this.#tenant !== null;
  }

  perform(order: StageOrder): void {
    const tenant = this.#tenant;
    if (!tenant) return;
    this.#carryOut(tenant, order).then(
      (input) => {
        if (input && this.#tenant === tenant) this.#options.feed(input);
      },
      (error: unknown) => {
        if (this.#tenant === tenant) this.#onFailed(order, error);
      },
    );
  }

  tick(): void {
    this.#tenant?.worker.tick();
  }

  drop(): void {
    this.#stepsBefore = this.steps();
    this.#tokensBefore = this.tokensServed();
    this.#view = null;
    const tenant = this.#tenant;
    this.#tenant = null;
    tenant?.worker.terminate();
  }

  async #carryOut({ worker, hash }: Tenant, order: StageOrder): Promise<NodeInput | null> {
    switch (order.type) {
      case 'fetch': {
        const { task, purpose, range } = order;
        if (purpose === 'shard') this.#fetched = NOTHING;
        this.meter.begin();
        const bytes = await worker.job('fetch', { hash, range, purpose });
        if (purpose === 'shard') this.#fetched = bytes;
        this.#cached = await worker.job('cached', { hash });
        return { type: 'fetched', task };
      }
      case 'load': {
        const { range, numerics } = order.assignment;
        await worker.job('load', { hash, range, numerics });
        return { type: 'loaded', task: order.task, ...this.#fetched };
      }
      case 'unload-idle':
        await worker.job('unload', { keep: order.keep ? [{ hash, range: order.keep }] : [] });
        return null;
      case 'known-answer': {
        const { id, range, seed, rows } = order.ask;
        const answer = await worker.job('known-answer', { hash, range, seed, rows });
        return { type: 'known-answer-done', id, answer };
      }
    }
  }

  /** A known answer that could not be given is the server's to miss; its own deadline tells. */
  #onFailed(order: StageOrder, error: unknown): void {
    if (order.type !== 'fetch' && order.type !== 'load') return;
    const fault = toFault(error, 'engine/lost').toWire();
    this.#options.feed({ type: 'task-failed', task: order.task, fault });
  }

  #onReport(worker: StageWorker, report: HostReport): void {
    if (this.#tenant?.worker !== worker) return;
    switch (report.type) {
      case 'snapshot':
        this.#view = report.snapshot;
        this.#options.feed({ type: 'sessions', count: report.snapshot.sessions });
        {
          this.#options.onChange();
          return;
        }
      case 'progress':
        if (report.progress.stage !== 'load') this.meter.take(report.progress, systemClock.now());
        {
          this.#options.onChange();
          return;
        }
      case 'threads':
        this.#threads = report.choice;
        {
          this.#options.onChange();
          return;
        }
      case 'owner':
      case 'reject-peer': {
        this.#options.onReport(report);
        return;
      }
      case 'failed':
        return;
    }
  }

  #onLost(worker: StageWorker, fault: FaultWire): void {
    if (this.#tenant?.worker !== worker) return;
    this.drop();
    this.#options.feed({ type: 'worker-lost', fault });
  }

  async #use<T>(work: (tenant: Tenant) => Promise<T>): Promise<T> {
    const tenant = this.#tenant;
    if (!tenant) throw toFault(new Error('there is no worker'), 'engine/lost');
    return work(tenant);
  }
}
