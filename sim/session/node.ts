import { instantMs } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { TIMES, WIRE } from '#lib/shard/wire/limits.ts';
import type { OwnerMessage, Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import {
  shardKey,
  type KvOrder,
  type RunSegment,
  type StageInput,
  type StageOutput,
} from '#lib/shard/stage/types.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { StageCore } from '#sim/core.ts';
import type { Ambushes } from './ambush.ts';
import { checkEarly, earlyFrames } from './early-frames.ts';
import { FAKE_WIDTH, FakeEngine, PAGE_POSITIONS } from './fake-engine.ts';
import { SimFailure } from './failure.ts';
import { MANIFEST, short, type Ground } from './ground.ts';
import { Liar } from './liar.ts';
import type { Machine } from './machine.ts';
import type { Monitor } from './monitor.ts';
import type { Network } from './network.ts';
import type { Office } from './office.ts';
import type { Lie } from './scenario.ts';
import { Threads } from './threads.ts';
import { checkKept, checkShared } from './shared-pages.ts';
import { describe, markOf } from './describe.ts';
import type { Witness } from './witness.ts';

interface NodeWorld extends Ground {
  readonly nodes: ReadonlyMap<NodeId, Machine>;
  readonly network: Network;
  readonly office: Office;
  readonly ambushes: Ambushes;
  readonly monitor: Monitor;
  readonly witness: Witness;
  livingNodes(): readonly Machine[];
}

/** A node: main thread (socket, `prepared`, pongs) and worker (the real stage core, engines). */
export class SimNode implements Machine {
  readonly id: NodeId;
  state: 'up' | 'gone' = 'gone';
  incarnation = 0;
  life = 0;
  core: StageCore;
  engines = new Map<string, FakeEngine>();
  range: LayerRange | null = null;
  segments: readonly RunSegment[] = [];
  /** Of the run that it hears the end of. */
  private sampling: readonly RunSegment[] = [];
  slowness = 1;
  /** How the run in flight will fail. */
  private spoiled: 'engine' | 'no-room' | null = null;
  /** Frozen until so long after its death was declared: a zombie. */
  private wakesAfterMs: number | null = null;
  /** Changes what it says; null: honest. */
  private liar: Liar | null = null;
  stuckUntil = 0;
  /** Frames of the present step that leave together. */
  private readonly outbox = new Map<NodeId, Frame[]>();
  private readonly threads = new Threads();
  private lastProgress: readonly Progress[] = [];
  private readonly world: NodeWorld;

  constructor(world: NodeWorld, id: NodeId) {
    this.world = world;
    this.id = id;
    this.core = this.freshCore();
  }

  /** A hello: a new incarnation, with no sessions (V3). */
  join(): void {
    const { world } = this;
    this.life += 1;
    this.state = 'up';
    this.threads.reset();
    this.wakesAfterMs = null;
    this.segments = [];
    this.spoiled = null;
    this.liar = null;
    world.witness.joined(this);
    this.slowness = world.random.pick([1, 1, 1, world.scenario.evenNodes ? 1 : 3]);
    this.core = this.freshCore();
    this.engines.clear();
    this.lastProgress = [];
    world.office.hello(this);
    if (this.range) this.load({ shard: shardKey(MANIFEST, this.range), range: this.range }, 0);
    for (const other of world.livingNodes()) {
      if (other !== this) world.network.connect(this.id, other.id, world.random.unit() * 30);
    }
    this.pong(this.life);
  }

  /** Everything of this life is gone; `noticeMs`: until peers see their links closed. */
  die(noticeMs: number): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    this.life += 1;
    this.world.log(() => `${short(this.id)} gone`);
    this.world.witness.died(this);
    this.world.network.closeAll(this.id, noticeMs);
  }

  stop(kind: 'frozen' | 'hung' | 'busy', ms: number): void {
    this.threads[kind] = true;
    this.stuckUntil = Math.max(this.stuckUntil, this.world.timeline.now + ms);
    const { life } = this;
    this.world.log(() => `${short(this.id)} ${kind} for ${ms.toFixed(0)}`);
    this.world.timeline.in(ms, () => {
      if (this.life !== life) return;
      this.threads[kind] = false;
      this.world.log(() => `${short(this.id)} no longer ${kind}`);
      this.threads.drain();
    });
  }

  /** From now on, as long as it lives. */
  turnLiar(lie: Lie): boolean {
    this.liar ??= new Liar(this.world, this, lie);
    return true;
  }

  get hung(): boolean {
    return this.threads.hung;
  }

  get poisons(): boolean {
    return this.liar?.poisons ?? false;
  }

  /** Stands still until its death is declared, and wakes `wakesAfterMs` later. */
  becomeZombie(wakesAfterMs: number): void {
    this.stop('frozen', 15_000);
    this.wakesAfterMs = wakesAfterMs;
  }

  onDeclared(): void {
    const { life, wakesAfterMs } = this;
    if (wakesAfterMs === null || this.state === 'gone') return;
    this.wakesAfterMs = null;
    this.world.timeline.in(wakesAfterMs, () => {
      if (this.life !== life || !this.threads.frozen) return;
      this.threads.frozen = false;
      this.world.log(() => `${short(this.id)} wakes`);
      this.threads.drain();
    });
  }

  /** On the main thread: a message of the owner's. */
  onSocket(message: OwnerMessage): void {
    this.onMain(() => {
      this.liar?.hear(message);
      if (message.type === 'prepare') {
        const { session, epoch } = message;
        this.world.office.fromNode(this, { type: 'prepared', session, epoch });
      }
      this.feed({ type: 'message', message });
    });
  }

  onMain(act: () => void): void {
    this.threads.onMain(act);
  }

  /** One input to the worker, when it comes to it. */
  feed(input: StageInput): void {
    if (this.state === 'gone') return;
    if (this.threads.workerStandsStill) {
      const { life } = this;
      this.threads.later(() => {
        if (this.life === life) this.feed(input);
      });
      return;
    }
    const { world, life } = this;
    if (input.type !== 'tick' && input.type !== 'turn')
      world.log(() => `${short(this.id)} < ${describe(input)}`, markOf(input) + this.incarnation);
    world.witness.beforeInput(this, input);
    const frames = world.monitor.seqs.seen(this, input);
    const early = earlyFrames(this, input);
    const expiring = input.type === 'tick' ? [...this.core.sessions.values()] : [];
    const now = instantMs(world.timeline.now);
    const [core, outputs] = world.core.stepStage(this.core, input, now);
    this.core = core;
    const view = world.core.viewStage(core);
    world.monitor.afterInput(this, input, view);
    world.monitor.seqs.check(this, frames, outputs);
    checkEarly(this, early, outputs);
    world.monitor.checkExpiry(this, expiring, outputs);
    for (const segment of input.type === 'run-done' ? this.sampling : [])
      world.witness.sampled(segment, outputs);
    this.lastProgress = view.progress;
    const ordered = world.scenario.framesFirst ? framesFirst(outputs) : outputs;
    const done = new Set<StageOutput>();
    for (const output of ordered) {
      if (output.type !== 'frame') this.sendAll();
      if (this.life === life) this.perform(output);
      if (this.life === life) done.add(output);
    }
    this.sendAll();
    if (this.life !== life) world.witness.diedInside(outputs, done);
  }

  private perform(output: StageOutput): void {
    const { world } = this;
    switch (output.type) {
      case 'owner': {
        world.monitor.onWord(this, output.message);
        const { life } = this;
        this.onMain(() => {
          if (this.life === life) this.say(output.message);
        });
        return;
      }
      case 'frame': {
        const { to, frame } = output;
        world.monitor.onFrameSent(this, to, frame);
        world.witness.frameSent(frame);
        world.ambushes.around(`frame:${frame.type}`, { node: this, peer: to }, () => {
          this.outbox.set(to, [...(this.outbox.get(to) ?? []), frame]);
        });
        if (!world.scenario.together) this.sendAll();
        return;
      }
      case 'load': {
        this.load(output, world.scenario.loadMs);
        return;
      }
      case 'run': {
        this.run(output);
        return;
      }
      case 'kv': {
        this.orderKv(output);
        return;
      }
      case 'grammar':
        throw new SimFailure('contract', 'no session of the campaign has a grammar');
      case 'reject-peer':
        if (world.nodes.get(output.peer)?.poisons) return;
        throw new SimFailure('contract', `honest ${short(output.peer)} rejected: ${output.why}`);
    }
  }

  private orderKv(order: KvOrder): void {
    const engine = this.engines.get(order.shard);
    if (!engine) return;
    switch (order.op) {
      case 'share': {
        this.share(engine, order);
        return;
      }
      case 'keep': {
        engine.keep(order, checkKept(this.world, this, order));
        return;
      }
      default: {
        engine.order(order);
      }
    }
  }

  /** The answer waits in the worker's line like any other input. */
  private share(engine: FakeEngine, order: Extract<KvOrder, { op: 'share' }>): void {
    const { world, life } = this;
    const { shard, session, place, epoch } = order;
    const found = engine.share(order);
    checkShared(world, this, { order, found });
    const length = found.length * PAGE_POSITIONS;
    world.timeline.in(world.random.pick([0, 0, 3, 30]), () => {
      if (this.life !== life) return;
      this.feed({ type: 'kv-shared', shard, session, place, epoch, length });
    });
  }

  /** One message a peer. What a node has not sent when it dies is lost. */
  private sendAll(): void {
    const { network } = this.world;
    for (const [to, frames] of this.outbox) {
      if (this.state !== 'up') continue;
      const leave = (sent: Frame[]): void => {
        network.send(this.id, to, sent);
      };
      if (this.liar) this.liar.send(frames, leave);
      else leave(frames);
    }
    this.outbox.clear();
  }

  private say(message: StageMessage): void {
    const tell = (said: StageMessage): void => {
      this.world.office.fromNode(this, said);
    };
    if (this.liar) this.liar.say(message, tell);
    else tell(message);
  }

  private run(output: Extract<StageOutput, { type: 'run' }>): void {
    const { world, life } = this;
    world.monitor.onRun(this, output.segments);
    const engine = this.engines.get(output.shard);
    const rows = output.segments.reduce((sum, segment) => sum + segment.rows, 0);
    this.segments = output.segments;
    const ms =
      (0.3 + rows * world.scenario.rowMs) * this.slowness * (0.9 + world.random.unit() * 0.2);
    world.timeline.in(ms, () => {
      if (this.life !== life) return;
      this.segments = [];
      const { spoiled } = this;
      this.spoiled = null;
      const isLost = !engine || this.engines.get(output.shard) !== engine;
      if (isLost || spoiled) {
        if (!isLost) engine.spoil(output.segments);
        this.feed({ type: 'run-failed', run: output.run, why: spoiled ?? 'engine' });
        this.turn();
        return;
      }
      for (const segment of output.segments) world.monitor.onSegment(this, engine, segment);
      this.sampling = output.segments;
      this.feed({ type: 'run-done', run: output.run, ms, results: engine.run(output.segments) });
      this.turn();
    });
  }

  /** What came while a run was at work is taken before the next one is planned. */
  private turn(): void {
    const { world, life } = this;
    world.timeline.in(0, () => {
      if (this.life === life) this.feed({ type: 'turn' });
    });
  }

  private load(what: { shard: string; range: LayerRange }, ms: number): void {
    const { world, life } = this;
    const { pagesMax, salted } = world.scenario;
    const facts = { rowWidth: FAKE_WIDTH, vocab: WIRE.tokenIdMax + 1 };
    const limits = { pagePositions: PAGE_POSITIONS, pagesMax, rowsMax: 12, ...facts };
    world.timeline.in(ms * (0.5 + world.random.unit()), () => {
      if (this.life !== life) return;
      const onEvicted = (): void => {
        world.count('kept page gives way');
      };
      this.engines.set(what.shard, new FakeEngine(what.range, { pagesMax, salted, onEvicted }));
      this.feed({ type: 'shard-ready', shard: what.shard, ...limits });
      world.office.changed();
    });
  }

  /** The run in flight fails: its KV is not known then, or not longer than before. */
  spoilRun(how: 'engine' | 'no-room'): boolean {
    if (this.segments.length === 0) return false;
    this.spoiled = how;
    return true;
  }

  /** The engine of a shard is lost, with its KV. */
  loseShard(): boolean {
    const [shard] = this.engines.keys();
    if (shard === undefined) return false;
    this.engines.delete(shard);
    this.feed({ type: 'shard-gone', shard });
    return true;
  }

  private pong(life: number): void {
    if (this.life !== life) return;
    if (!this.threads.mainStandsStill) {
      this.world.office.pong(this, this.lastProgress);
      this.feed({ type: 'tick' });
    }
    this.world.timeline.in(TIMES.pingEveryMs, () => {
      this.pong(life);
    });
  }

  private freshCore(): StageCore {
    const { keptBytesMax, drafting } = this.world.scenario;
    return this.world.core.createStageCore(this.id, { keptBytesMax, keptBlockRows: 4, drafting });
  }
}

const framesFirst = (outputs: readonly StageOutput[]): StageOutput[] => [
  ...outputs.filter((output) => output.type !== 'owner'),
  ...outputs.filter((output) => output.type === 'owner'),
];
