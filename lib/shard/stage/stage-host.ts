import { unreachable } from '#lib/kernel/assert.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import type { ManifestHash, NodeId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { TokenSource } from '#lib/webgpu/grammar/tokens.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import type { LinkPort } from '#lib/shard/mesh/types.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { createStageCore, stepStage, viewStage, type StageCoreOptions } from './core/core.ts';
import { Engines } from './engines.ts';
import { Grammars } from './grammars.ts';
import type { FetchPurpose, HostCommand, HostReport, HostSnapshot } from './host-protocol.ts';
import { STAGE_HOST } from './limits.ts';
import { StageMetrics } from './metrics.ts';
import { PeerLinks, type FrameLink } from './peer-links.ts';
import type { StageInput, StageOutput } from './types.ts';
import { createTurnYielder } from './yield-turn.ts';

export type LoadOrder = Extract<StageOutput, { type: 'load' }>;
type GrammarOrder = Extract<StageOutput, { type: 'grammar' }>;
type RunOrder = Extract<StageOutput, { type: 'run' }>;

/** The outside of the host: what differs between a tab, a process and a test. */
export interface StageHostDoors {
  readonly self: NodeId;
  readonly now: () => InstantMs;
  readonly report: (report: HostReport) => void;
  /** A checked and warmed engine of the range. @throws FaultError `package/…` or `engine/…`. */
  readonly loadShard: (order: LoadOrder) => Promise<Stage>;
  /** A model's vocabulary, for grammars. @throws FaultError `package/…`. */
  readonly loadTokens: (manifest: ManifestHash) => Promise<TokenSource>;
  readonly openLink: (port: LinkPort) => FrameLink;
  readonly abortFetch: (purpose: FetchPurpose) => void;
}

/**
 * The shell around the stage core: feeds it messages, frames and ticks, and performs what it says.
 * Inputs are taken one by one, never inside another; engine runs one at a time, with a turn of the
 * event loop between two, so that frames and messages never wait for more than one run.
 */
export class StageHost {
  readonly engines = new Engines();
  readonly #doors: StageHostDoors;
  readonly #metrics = new StageMetrics();
  readonly #yielder = createTurnYielder();
  readonly #links: PeerLinks;
  readonly #grammars: Grammars;
  readonly #loading = new Map<string, Promise<Stage>>();
  readonly #inbox: StageInput[] = [];
  #core;
  #unloading: ReadonlySet<string> | null = null;
  #draining = false;
  /** When the run that is under way began. */
  #runSince: InstantMs | null = null;
  #snapshotAt = -Infinity;
  #snapshotWas = '';

  constructor(doors: StageHostDoors, options: Partial<StageCoreOptions> = {}) {
    this.#doors = doors;
    this.#core = createStageCore(doors.self, options);
    this.#grammars = new Grammars(doors.loadTokens);
    this.#links = new PeerLinks({
      frames: (from, frames) => this.feed({ type: 'frames', from, frames }),
      open: (peer, path) => this.feed({ type: 'link-open', peer, path }),
      rejected: (peer, why) => doors.report({ type: 'reject-peer', peer, why }),
      closed: (peer) => this.feed({ type: 'link-closed', peer }),
    });
  }

  command(command: HostCommand): void {
    switch (command.type) {
      case 'link-port': {
        this.#links.add(command.peer, command.link, this.#doors.openLink(command.port));
        return;
      }
      case 'link-open': {
        this.#links.opened(command.peer, command.link, command.path);
        return;
      }
      case 'link-closed': {
        this.#links.close(command.peer, command.link);
        return;
      }
      case 'abort-fetch': {
        this.#doors.abortFetch(command.purpose);
        return;
      }
      case 'message':
      case 'socket-back':
      case 'pause':
      case 'resume': {
        this.feed(command);
        return;
      }
      default:
        return unreachable(command);
    }
  }

  tick(): void {
    this.feed({ type: 'tick' });
    this.#watchRun();
    if (this.#unloading) this.unloadIdle(this.#unloading);
    this.#sendSnapshot();
  }

  feed(input: StageInput): void {
    this.#inbox.push(input);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
        const [core, outputs] = stepStage(this.#core, next, this.#doors.now());
        this.#core = core;
        this.#sendFrames(outputs);
        for (const output of outputs) this.#perform(output);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = false;
    }
  }

  /** The engine of a shard, loaded once however many ask; told to the core when it is there. */
  async ensureShard(order: LoadOrder): Promise<Stage> {
    const held = this.engines.get(order.shard);
    if (held) return held;
    const running = this.#loading.get(order.shard);
    if (running) return running;
    this.#unloading = null;
    const load = this.#doors.loadShard(order);
    this.#loading.set(order.shard, load);
    try {
      const stage = await load;
      this.engines.add(order.shard, stage);
      this.#tellReady(order.shard, stage);
      return stage;
    } finally {
      this.#loading.delete(order.shard);
    }
  }

  /**
   * Frees every engine but `keep` as soon as no session uses it: a run in flight may hold the KV of
   * a session that has ended. A load that begins meanwhile ends this order.
   */
  unloadIdle(keep: ReadonlySet<string>): void {
    const others = this.engines.shards().filter((shard) => !keep.has(shard));
    const idle = others.filter((shard) => !this.engines.inUse(shard));
    for (const shard of idle) {
      this.engines.remove(shard);
      this.feed({ type: 'shard-gone', shard });
    }
    this.#unloading = others.length > idle.length ? keep : null;
  }

  dispose(): void {
    this.#links.closeAll();
    for (const shard of this.engines.shards()) this.engines.remove(shard);
    this.#yielder.close();
  }

  snapshot(): HostSnapshot {
    const now = this.#doors.now();
    const view = viewStage(this.#core);
    const decodeStep = this.#metrics.decodeStep();
    return {
      sessions: view.sessions,
      progress: view.progress,
      steps: this.#metrics.steps,
      tokensServed: this.#metrics.tokensServed,
      tokensPerSecond: this.#metrics.tokensPerSecond(now),
      stepMsP50: decodeStep.ms,
      stepRows: decodeStep.rows,
      pagesFree: this.engines.pagesFree(),
      pagesHeld: this.engines.pagesHeld(),
      memoryBytes: this.engines.memoryBytes(),
      computing: this.#metrics.computing(now),
    };
  }

  #perform(output: StageOutput): void {
    switch (output.type) {
      case 'owner': {
        this.#doors.report({ type: 'owner', message: output.message });
        return;
      }
      case 'frame':
        // Sent already, with the others of this step.
        return;
      case 'load':
        return void this.#load(output);
      case 'grammar':
        return void this.#makeGrammar(output);
      case 'run':
        return void this.#run(output);
      case 'kv': {
        const length = this.engines.applyKv(output);
        const { shard, session, place } = output;
        if (output.op === 'share' && length !== null)
          this.feed({ type: 'kv-shared', shard, session, place, epoch: output.epoch, length });
        if (output.op === 'close') this.#grammars.forget(output.session);
        return;
      }
      case 'reject-peer':
        this.#links.close(output.peer, null);
        {
          this.#doors.report(output);
          return;
        }
      default:
        return unreachable(output);
    }
  }

  /**
   * Before all else, for the next place waits. Frames of one step to one peer go as one message: so
   * they are computed in one run there, too.
   */
  #sendFrames(outputs: readonly StageOutput[]): void {
    const outbox = new Map<NodeId, Frame[]>();
    for (const output of outputs) {
      if (output.type !== 'frame') continue;
      const frames = outbox.get(output.to);
      if (frames) frames.push(output.frame);
      else outbox.set(output.to, [output.frame]);
    }
    for (const [to, frames] of outbox) {
      if (to === this.#doors.self) this.feed({ type: 'frames', from: to, frames });
      else if (!this.#links.send(to, frames)) this.feed({ type: 'link-closed', peer: to });
    }
  }

  async #load(order: LoadOrder): Promise<void> {
    const held = this.engines.get(order.shard);
    if (held) {
      this.#tellReady(order.shard, held);
      return;
    }
    try {
      await this.ensureShard(order);
    } catch {
      // The main thread learns the fault from its own job; the owner needs the fact alone.
      this.feed({ type: 'shard-failed', shard: order.shard });
    }
  }

  async #makeGrammar({ session, grammar }: GrammarOrder): Promise<void> {
    try {
      await this.#grammars.make(grammar);
      this.feed({ type: 'grammar-ready', session });
    } catch {
      // The server read the schema before it sent it: what fails is this node's way to the vocabulary.
      this.feed({ type: 'grammar-failed', session });
    }
  }

  #tellReady(shard: string, { pagePositions, pagesMax, rowsMax, shape }: Stage): void {
    const takes = { rowWidth: shape.hidden, vocab: shape.vocab };
    this.feed({ type: 'shard-ready', shard, pagePositions, pagesMax, rowsMax, ...takes });
  }

  async #run(order: RunOrder): Promise<void> {
    const startedAt = this.#doors.now();
    this.#runSince = startedAt;
    try {
      const segments = order.segments.map((segment) => this.#grammars.masked(segment));
      const results = await this.engines.run({ ...order, segments });
      const now = this.#doors.now();
      const ms = now - startedAt;
      this.#metrics.record(order, ms, now);
      this.feed({ type: 'run-done', run: order.run, ms, results });
    } catch (error) {
      const noRoom = isFault(error, 'engine/no-pages');
      this.feed({ type: 'run-failed', run: order.run, why: noRoom ? 'no-room' : 'engine' });
      // A trap leaves the engine's memory in doubt: only a new worker is surely sound.
      if (!noRoom) this.#fail(error);
    }
    this.#runSince = null;
    if (this.#doors.now() - this.#snapshotAt >= STAGE_HOST.snapshotEveryMs) this.#sendSnapshot();
    this.#yielder.yieldTurn(() => this.feed({ type: 'turn' }));
  }

  /** A GPU's run that hung never ends: only a new worker helps. The processor's hold this thread. */
  #watchRun(): void {
    if (this.#runSince === null) return;
    if (this.#doors.now() - this.#runSince < STAGE_HOST.runMsMax) return;
    this.#runSince = null;
    this.#fail(new FaultError('engine/lost', `a run took more than ${STAGE_HOST.runMsMax} ms`));
  }

  /** Silent while nothing changes: an idle node wakes nobody. */
  #sendSnapshot(): void {
    const snapshot = this.snapshot();
    const text = JSON.stringify(snapshot);
    this.#snapshotAt = this.#doors.now();
    if (text === this.#snapshotWas) return;
    this.#snapshotWas = text;
    this.#doors.report({ type: 'snapshot', snapshot });
  }

  #fail(error: unknown): void {
    this.#doors.report({ type: 'failed', fault: toFault(error, 'engine/lost').toWire() });
  }
}
