import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { OwnerMessage, Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { createOwner, stepOwner, viewOwner, type OwnerState } from '#lib/shard/session/owner.ts';
import type {
  OwnerInput,
  OwnerOutput,
  OwnerStep,
  SessionRequest,
} from '#lib/shard/session/types.ts';
import { SimFailure } from './failure.ts';
import { describeOrder, describeWord } from './describe.ts';
import type { SimNode } from './node.ts';
import { cutLayers, planRoute } from './planner.ts';
import { Reader } from './reader.ts';
import type { SessionDraw } from './scenario.ts';
import { Sockets } from './sockets.ts';
import { short, type World } from './world.ts';

export const MANIFEST = 'f'.repeat(64) as ManifestHash;

/** One session at its owner; `owner` is null once its process has died (S13). */
interface Desk {
  readonly id: SessionId;
  readonly request: SessionRequest;
  readonly reader: Reader;
  owner: OwnerState | null;
  tickAt: number;
}

/** The orchestrator's stand-in: who lives, who is asked, and the real owners. */
export class Office {
  readonly desks = new Map<SessionId, Desk>();
  readonly readers: Reader[] = [];
  readonly sockets: Sockets;
  /** Living incarnations, with when they were last heard (V1). */
  readonly alive = new Map<NodeId, { node: SimNode; incarnation: number; heardAt: number }>();
  private readonly world: World;
  private opened = 0;
  private incarnations = 0;

  constructor(world: World) {
    this.world = world;
    this.sockets = new Sockets(world, {
      word: (node, incarnation, message) => {
        this.onWord(node, incarnation, message);
      },
      back: (node, incarnation) => {
        this.broadcast({ type: 'node-back', node: node.id, incarnation });
      },
      away: (node, incarnation) => {
        this.lose(node, incarnation, 'socket');
      },
      isAlive: (node, incarnation) => this.alive.get(node.id)?.incarnation === incarnation,
    });
    world.timeline.in(0, () => {
      this.watch();
    });
  }

  request(draw: SessionDraw): void {
    const reader = new Reader(this.world, draw);
    this.readers.push(reader);
    this.open(reader);
    if (draw.cancelAtMs !== null) {
      this.world.timeline.in(draw.cancelAtMs, () => {
        this.cancel(reader);
      });
    }
  }

  hello(node: SimNode): void {
    const before = this.alive.get(node.id);
    this.incarnations += 1;
    node.incarnation = this.incarnations;
    if (before) this.lose(node, before.incarnation, 'hello');
    node.range ??= this.rangeFor();
    const { now } = this.world.timeline;
    this.alive.set(node.id, { node, incarnation: node.incarnation, heardAt: now });
    this.sockets.open(node);
    this.world.log(`${short(node.id)} hello ${node.incarnation}`);
    this.broadcast({ type: 'nodes-changed' });
  }

  pong(node: SimNode, progress: readonly Progress[]): void {
    const { incarnation } = node;
    this.sockets.up(node, () => {
      const known = this.alive.get(node.id);
      if (known?.incarnation !== incarnation) return;
      known.heardAt = this.world.timeline.now;
      this.broadcast({ type: 'progress', node: node.id, incarnation, progress });
    });
  }

  fromNode(node: SimNode, message: StageMessage): void {
    this.world.ambushes.around(message.type, node, () => {
      this.sockets.say(node, message);
    });
  }

  leave(node: SimNode): void {
    this.lose(node, node.incarnation, 'left');
  }

  dropSocket(node: SimNode, ms: number): boolean {
    return this.sockets.drop(node, ms);
  }

  socketClosed(node: SimNode): void {
    this.sockets.drop(node, Infinity);
  }

  /** The process of one owner dies; its reader resumes elsewhere by what it holds (S13). */
  killOwner(): boolean {
    const desk = [...this.desks.values()].find((each) => each.owner && !each.reader.ended);
    if (!desk) return false;
    desk.owner = null;
    this.world.log(`owner of ${desk.reader.name} dies`);
    this.world.timeline.in(300, () => {
      if (!desk.reader.ended) this.open(desk.reader);
    });
    return true;
  }

  cancelOne(): boolean {
    const reader = this.readers.find((each) => !each.ended);
    if (reader) this.cancel(reader);
    return reader !== undefined;
  }

  private cancel(reader: Reader): void {
    const desk = [...this.desks.values()].find((each) => each.reader === reader && each.owner);
    if (!desk || reader.ended) return;
    this.world.count(`cancel while ${desk.owner?.phase.kind ?? 'gone'}`);
    this.input(desk, { type: 'cancel' });
  }

  private open(reader: Reader): void {
    this.opened += 1;
    const id = this.opened.toString(16).padStart(32, '0') as SessionId;
    const request = reader.requestFor(id, MANIFEST);
    const desk: Desk = { id, request, reader, owner: null, tickAt: Infinity };
    this.desks.set(id, desk);
    const plan = planRoute(this.world, [...this.alive.values()], { keep: [], relay: [] });
    this.took(desk, createOwner(request, plan, this.world.timeline.now));
  }

  private onWord(node: SimNode, incarnation: number, message: StageMessage): void {
    this.world.log(`office < ${short(node.id)} ${describeWord(message)}`);
    if (message.type === 'fault') this.world.count(`fault ${message.why}`);
    const input = { type: 'message', node: node.id, incarnation, message } as const;
    if (message.type !== 'resync') {
      const desk = this.desks.get(message.session);
      if (desk?.owner) this.input(desk, input);
      else this.send(node, { type: 'end', session: message.session });
      return;
    }
    for (const { session } of message.sessions) {
      if (!this.desks.get(session)?.owner) this.send(node, { type: 'end', session });
    }
    for (const desk of this.desks.values()) if (desk.owner) this.input(desk, input);
  }

  private broadcast(input: OwnerInput): void {
    for (const desk of this.desks.values()) {
      if (desk.owner && desk.owner.phase.kind !== 'done') this.input(desk, input);
    }
  }

  private input(desk: Desk, input: OwnerInput): void {
    if (!desk.owner) return;
    this.took(desk, stepOwner(desk.owner, input, this.world.timeline.now));
  }

  private took(desk: Desk, [state, outputs]: OwnerStep<OwnerState>): void {
    desk.owner = state;
    for (const output of outputs) this.perform(desk, output);
    const { deadline } = viewOwner(desk.owner);
    if (deadline >= desk.tickAt || !Number.isFinite(deadline)) return;
    desk.tickAt = deadline;
    this.world.timeline.at(deadline, () => {
      desk.tickAt = Infinity;
      this.input(desk, { type: 'tick' });
    });
  }

  private perform(desk: Desk, output: OwnerOutput): void {
    const { world } = this;
    switch (output.type) {
      case 'send': {
        const known = this.alive.get(output.node);
        if (known?.incarnation === output.incarnation) this.send(known.node, output.message);
        return;
      }
      case 'accept': {
        desk.reader.accept(output, {
          session: desk.id,
          epoch: desk.owner?.route?.epoch ?? 0,
        });
        return;
      }
      case 'need-route': {
        this.answerRoute(desk, output);
        return;
      }
      case 'declare': {
        world.count(`declared ${output.why}`);
        if (world.scenario.blameless)
          throw new SimFailure('blame', `${short(output.node)} ${output.why}`);
        const known = this.alive.get(output.node);
        if (known?.incarnation === output.incarnation) {
          world.timeline.in(0, () => {
            this.lose(known.node, output.incarnation, output.why);
          });
        }
        return;
      }
      case 'route-changed':
        world.count(`epoch: ${output.cause}`);
        world.monitor.onEpoch(desk.id, output.epoch, () => desk.owner);
        {
          world.log(`${desk.reader.name} epoch ${output.epoch}: ${output.cause}`);
          return;
        }
      case 'done': {
        desk.reader.done(output.outcome);
        return;
      }
    }
  }

  private send(node: SimNode, message: OwnerMessage): void {
    this.world.log(`office > ${short(node.id)} ${describeOrder(message)}`);
    this.world.ambushes.around(message.type, node, () => {
      this.sockets.order(node, message);
    });
  }

  private answerRoute(desk: Desk, ask: Extract<OwnerOutput, { type: 'need-route' }>): void {
    const { world } = this;
    const delay = world.random.chance(0.5) ? 0 : world.random.unit() * 60;
    if (ask.relay.length > 0) world.count('route by relay');
    world.timeline.in(delay, () => {
      const isBusy = world.random.chance(0.1);
      const plan = isBusy ? null : planRoute(world, [...this.alive.values()], ask);
      this.input(desk, { type: 'route', plan });
      if (isBusy)
        world.timeline.in(200, () => {
          this.input(desk, { type: 'nodes-changed' });
        });
    });
  }

  /** Ends an incarnation: fenced, and every owner is told (V3). */
  private lose(node: SimNode, incarnation: number, why: string): void {
    const known = this.alive.get(node.id);
    if (known?.incarnation !== incarnation) return;
    this.alive.delete(node.id);
    this.world.log(`${short(node.id)} declared: ${why}`);
    this.sockets.fence(node, incarnation);
    this.broadcast({ type: 'node-lost', node: node.id, incarnation });
  }

  /** 2 s without a pong is dead (V1). */
  private watch(): void {
    const { now } = this.world.timeline;
    for (const { node, incarnation, heardAt } of [...this.alive.values()]) {
      if (now - heardAt >= TIMES.silenceDeadMs) this.lose(node, incarnation, 'silence');
    }
    this.world.timeline.in(100, () => {
      this.watch();
    });
  }

  private rangeFor() {
    const { layers, stages } = this.world.scenario;
    const ranges = cutLayers(layers, stages);
    const taken = this.alive.size;
    if (taken < stages) return ranges[taken] ?? null;
    return this.world.random.chance(0.6) ? this.world.random.pick(ranges) : null;
  }
}
