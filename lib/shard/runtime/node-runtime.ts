import { unreachable } from '#lib/kernel/assert.ts';
import { toFault } from '#lib/kernel/errors.ts';
import type { ManifestHash } from '#lib/kernel/ids.ts';
import { systemClock } from '#lib/kernel/ports.ts';
import type { NodeKeys } from '#lib/shard/mesh/identity.ts';
import type { EngineChoice } from '#lib/webgpu/capability/choose-engine.ts';
import { planThreads } from '#lib/webgpu/capability/threads.ts';
import type { MeshEvent } from '#lib/shard/mesh/types.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import type { HostReport } from '#lib/shard/stage/host-protocol.ts';
import type { NodeProfile } from '#lib/shard/wire/node-messages.ts';
import type { OwnerMessage } from '#lib/shard/wire/session-messages.ts';
import { DeviceChoice } from './device-choice.ts';
import { DriftWatch, type DriftFacts } from './drift.ts';
import { NODE } from './limits.ts';
import { fetchManifest } from './model-client.ts';
import { NODE_OFF, stepNode } from './node-core.ts';
import {
  isIdle,
  type ModelRef,
  type NodeInput,
  type NodeOutput,
  type NodeState,
} from './node-state.ts';
import type { NodePlatform } from './platform.ts';
import { Publisher } from './publisher.ts';
import { RoomWatch } from './room-watch.ts';
import { ServerDoor } from './server-door.ts';
import { ServerNews } from './server-news.ts';
import { makeSnapshot } from './snapshot.ts';
import { StageRoom } from './stage-room.ts';
import type { Volunteer, VolunteerOptions, VolunteerSnapshot } from './volunteer-port.ts';

/** As many as a hello takes: a cache in more pieces is as good as empty. */
const CACHED_RANGES_MAX = 64;

/** Drives the node's machine and performs its orders: socket and links, worker, page. */
export class NodeRuntime implements Volunteer {
  readonly #platform: NodePlatform;
  readonly #options: VolunteerOptions;
  readonly #room: StageRoom;
  readonly #news = new ServerNews((message) => this.#door?.send(message) ?? false);
  readonly #publisher = new Publisher(() => this.#makeSnapshot());
  readonly #roomWatch: RoomWatch;
  readonly #choice: DeviceChoice;
  readonly #drift = new DriftWatch();
  #state: NodeState = NODE_OFF;
  #keys: NodeKeys | null = null;
  #door: ServerDoor | null = null;
  #manifest: Manifest | null = null;
  #release: (() => void) | null = null;
  #ticker: ReturnType<typeof setInterval> | null = null;

  constructor(platform: NodePlatform, options: VolunteerOptions) {
    this.#platform = platform;
    this.#options = options;
    const { cores, isolated } = platform;
    const threads = planThreads({ cores, isolated, power: options.power, asked: options.threads });
    this.#room = new StageRoom({
      serverUrl: options.serverUrl,
      memoryLentBytes: this.#memoryLentBytes(),
      threads,
      startWorker: () => platform.startWorker(),
      feed: (input) => this.#feed(this.#choice.hear(input)),
      onReport: (report) => this.#onReport(report),
      onChange: () => this.#publisher.changed(),
    });
    this.#choice = new DeviceChoice({
      platform,
      measurer: this.#room,
      wish: options.engine,
      threads,
      memoryLentBytes: this.#memoryLentBytes(),
      onBusy: () => this.#door?.hangUp(),
    });
    this.#roomWatch = new RoomWatch({
      hasRoom: (range) => this.#room.hasRoom(range),
      onRoom: () => this.#feed({ type: 'room-found' }),
    });
  }

  subscribe(onChange: () => void): () => void {
    return this.#publisher.subscribe(onChange);
  }

  getSnapshot(): VolunteerSnapshot {
    return this.#publisher.snapshot;
  }

  start(): void {
    this.#feed({ type: 'start' });
  }

  pause(): void {
    this.#feed({ type: 'pause' });
  }

  resume(): void {
    this.#feed({ type: 'resume' });
  }

  finish(): void {
    this.#feed({ type: 'finish' });
  }

  stop(): void {
    this.#feed({ type: 'stop' });
  }

  #feed(input: NodeInput): void {
    const [state, outputs] = stepNode(this.#state, input, systemClock.now());
    this.#state = state;
    for (const output of outputs) this.#perform(output);
    if (state.phase === 'off') this.#rest();
    this.#news.tellState(this.#makeSnapshot(), performance.now());
    this.#publisher.changed();
  }

  #perform(output: NodeOutput): void {
    switch (output.type) {
      case 'contact': {
        this.#attempt(this.#contact());
        return;
      }
      case 'measure': {
        this.#attempt(this.#measure());
        return;
      }
      case 'hello':
        this.#attempt(this.#greet(output.measured));
        return;
      case 'send':
        return void this.#door?.send(output.message);
      case 'worker':
        return void this.#room.command({ type: output.command });
      case 'abort-fetch':
        return void this.#room.command(output);
      case 'fetch':
      case 'load':
      case 'unload-idle':
      case 'known-answer': {
        this.#room.perform(output);
        return;
      }
      case 'watch-room': {
        this.#roomWatch.begin(output.range, performance.now());
        return;
      }
      case 'disconnect': {
        this.#disconnect();
        return;
      }
      case 'drop-worker': {
        this.#room.drop();
        return;
      }
      default:
        return unreachable(output);
    }
  }

  #attempt(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#feed({ type: 'join-failed', fault: toFault(error, 'engine/lost').toWire() });
    });
  }

  async #contact(): Promise<void> {
    this.#roomWatch.end();
    this.#release ??= this.#platform.holdPresence();
    this.#ticker ??= setInterval(() => this.#tick(), NODE.tickEveryMs);
    this.#keys ??= await this.#platform.keys();
    if (this.#state.phase !== 'joining') return;
    const { wrtc, insecure } = this.#platform;
    this.#door?.stop();
    this.#door = new ServerDoor({
      url: this.#options.serverUrl,
      keys: this.#keys,
      relayOnly: this.#options.relayOnly,
      progress: () => this.#room.view?.progress ?? [],
      isIdle: () => isIdle(this.#state) && (this.#room.view?.sessions ?? 0) === 0,
      onModel: (model) => this.#attempt(this.#meetModel(model)),
      onEvent: (event) => this.#onMeshEvent(event),
      onFailed: (fault) => this.#feed({ type: 'join-failed', fault }),
      ...(wrtc ? { wrtc } : {}),
      ...(insecure ? { insecure } : {}),
    });
    this.#door.contact();
  }

  async #meetModel(model: ModelRef): Promise<void> {
    const manifest = await fetchManifest(this.#options.serverUrl, model);
    if (this.#state.phase !== 'joining' || !this.#keys) return;
    this.#manifest = manifest;
    const hash = model.hash as ManifestHash;
    await this.#room.open({ self: this.#keys.node.id, hash, manifest });
    this.#feed({ type: 'contacted', model });
  }

  /** A result of an earlier visit spares the second that measuring takes. */
  async #measure(): Promise<void> {
    if (this.#state.phase !== 'measuring') return;
    const measured = await this.#choice.choose(this.#state.model.hash);
    await this.#room.use(measured, this.#choice.threads);
    this.#feed({ type: 'measured', measured });
  }

  /** The profile is made before the server is called: it waits for a hello, not for a worker. */
  async #greet(measured: EngineChoice): Promise<void> {
    if (this.#state.phase !== 'greeting') return;
    const { model } = this.#state;
    const facts = {
      kind: this.#platform.kind,
      device: this.#platform.device,
      engine: measured.engine,
      threads: measured.engine === 'cpu-wasm' ? this.#choice.threads.threads : 1,
      layerMs: [...measured.layerMs],
      headMs: [...measured.headMs],
      memoryLentBytes: measured.memoryBytes,
      storageBytes: await this.#platform.storageBytes(),
      measuredFor: model.hash,
    } satisfies Omit<NodeProfile, 'cachedRanges'>;
    await this.#room.lookUpCache();
    this.#door?.greet(model, () => ({
      ...facts,
      cachedRanges: this.#room.cachedRanges.slice(0, CACHED_RANGES_MAX),
    }));
  }

  #memoryLentBytes(): number {
    return this.#options.memoryLentBytes ?? this.#platform.memoryLentBytes;
  }

  #onMeshEvent(event: MeshEvent): void {
    switch (event.type) {
      case 'online': {
        this.#onOnline(event.resumed);
        return;
      }
      case 'offline': {
        this.#feed({ type: 'disconnected' });
        return;
      }
      case 'goodbye': {
        const { code, message } = event;
        this.#feed({ type: 'goodbye', fault: { code, message } });
        return;
      }
      case 'message': {
        this.#onOrder(event.message);
        return;
      }
      case 'link-port': {
        this.#onLinkPort(event);
        return;
      }
      case 'link-open':
        void this.#room.command(event);
        {
          this.#publisher.changed();
          return;
        }
      case 'link-closed':
        void this.#room.command({ type: 'link-closed', peer: event.peer, link: event.link });
        {
          this.#publisher.changed();
          return;
        }
      default:
        return unreachable(event);
    }
  }

  /** The port must leave in the very call that brought it. */
  #onLinkPort(event: Extract<MeshEvent, { type: 'link-port' }>): void {
    if (this.#room.command(event)) return;
    const { port } = event;
    if (port.kind === 'rtc') port.channel.close();
    else port.port.close();
  }

  #onOnline(resumed: boolean): void {
    if (!resumed) this.#news.reset();
    this.#feed({ type: 'welcome', resumed });
  }

  #onOrder(message: Extract<MeshEvent, { type: 'message' }>['message']): void {
    switch (message.type) {
      case 'assign': {
        this.#feed({ type: 'assign', assignment: message.assignment });
        return;
      }
      case 'trusted': {
        this.#feed({ type: 'trusted', range: message.range });
        return;
      }
      case 'known-answer': {
        this.#feed({ type: 'known-answer', ask: message });
        return;
      }
      case 'session': {
        this.#onOwnerMessage(message.message);
        return;
      }
      default:
        return unreachable(message);
    }
  }

  /** V1: `prepared` says that the node is alive; this thread computes nothing and says it at once. */
  #onOwnerMessage(message: OwnerMessage): void {
    if (!this.#room.command({ type: 'message', message })) return;
    if (message.type !== 'prepare') return;
    const { session, epoch } = message;
    this.#door?.send({ type: 'session', message: { type: 'prepared', session, epoch } });
  }

  #onReport(report: Extract<HostReport, { type: 'owner' | 'reject-peer' }>): void {
    if (report.type === 'owner') this.#door?.send({ type: 'session', message: report.message });
    else this.#door?.closeLink(report.peer, 'mesh/refused');
  }

  #tick(): void {
    this.#room.tick();
    void this.#roomWatch.tick(performance.now());
    this.#feed({ type: 'tick' });
    const { view } = this.#room;
    if (view)
      this.#news.tellLoad({ worker: view, links: this.#door?.links() ?? [] }, performance.now());
    if (this.#drift.tick(this.#driftFacts(), performance.now())) void this.#choice.forget();
  }

  /**
   * A leave message gets a moment to go out: a page that is being torn down drops what a socket
   * that closes still holds. Without one the socket ends at once.
   */
  #disconnect(): void {
    const door = this.#door;
    this.#door = null;
    this.#news.reset();
    if (this.#state.phase !== 'leaving') {
      door?.stop();
      return;
    }
    setTimeout(() => {
      door?.stop();
      this.#feed({ type: 'left' });
    }, NODE.flushMs);
  }

  #driftFacts(): DriftFacts | null {
    const { view } = this.#room;
    if (this.#state.phase !== 'member' || !view || !this.#manifest) return null;
    const { assignment, measured } = this.#state;
    return assignment && { view, shape: this.#manifest.shape, range: assignment.range, measured };
  }

  #rest(): void {
    this.#release?.();
    this.#release = null;
    if (this.#ticker) clearInterval(this.#ticker);
    this.#ticker = null;
  }

  #makeSnapshot(): VolunteerSnapshot {
    return makeSnapshot(this.#state, {
      device: this.#platform.device,
      nodeId: this.#keys?.node.id ?? null,
      manifest: this.#manifest,
      room: this.#room,
      links: this.#door?.links() ?? [],
    });
  }
}
