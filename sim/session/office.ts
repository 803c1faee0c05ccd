import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { OwnerMessage, Progress, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type {
  OwnerInput,
  OwnerOutput,
  OwnerStep,
  PlannedPlace,
  SessionRequest,
} from '#lib/shard/session/types.ts';
import type { OwnerState } from '#sim/core.ts';
import { Auditor } from './auditor.ts';
import { SimFailure } from './failure.ts';
import { describeOrder, describeWord } from './describe.ts';
import { MANIFEST, short } from './ground.ts';
import type { Machine, Meeting } from './machine.ts';
import type { Monitor } from './monitor.ts';
import { planRoute } from './planner.ts';
import { Reader } from './reader.ts';
import type { SessionDraw } from './scenario.ts';
import { Sockets } from './sockets.ts';
import type { PlannerWorld } from './route-ask.ts';
import { rangeFor } from './wild-planner.ts';
import { isInFailover, type Witness } from './witness.ts';

/** The planners see the office as it stands. */
interface OfficeWorld extends PlannerWorld {
  readonly office: Office;
  readonly monitor: Monitor;
  readonly witness: Witness;
  readonly ambushes: {
    around(what: string, meeting: Meeting, send: () => void): void;
    onFailover(phase: string, node: Machine | null): void;
  };
}

/** One session at its owner; `owner` is null once its process has died (S13). */
export interface Desk {
  readonly id: SessionId;
  readonly request: SessionRequest;
  readonly reader: Reader;
  readonly auditor: Auditor;
  owner: OwnerState | null;
  tickAt: number;
}

/** The orchestrator's stand-in: who lives, who is asked, and the real owners. */
export class Office {
  readonly desks = new Map<SessionId, Desk>();
  readonly readers: Reader[] = [];
  readonly sockets: Sockets;
  /** Living incarnations, with when they were last heard (V1). */
  readonly alive = new Map<NodeId, { node: Machine; incarnation: number; heardAt: number }>();
  /** Alive, and takes no work (V2). */
  private readonly paused = new Set<NodeId>();
  private readonly world: OfficeWorld;
  private opened = 0;
  private incarnations = 0;

  constructor(world: OfficeWorld) {
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
      isAlive: (node, incarnation) => this.isLiving(node.id, incarnation),
    });
    world.timeline.in(0, () => {
      this.watch();
    });
  }

  isLiving(node: NodeId, incarnation: number): boolean {
    return this.alive.get(node)?.incarnation === incarnation;
  }

  /** Not declared: what it sends is of a node that the owners count on. */
  isAtWork(id: NodeId): boolean {
    const node = this.world.nodes.get(id);
    return node !== undefined && this.isLiving(id, node.incarnation);
  }

  /** Living nodes that may be given places. */
  workers(): { readonly node: Machine; readonly incarnation: number }[] {
    return [...this.alive.values()].filter(({ node }) => !this.paused.has(node.id));
  }

  /** The present routes that name a node, of sessions that go on. */
  routesOver(node: NodeId): (readonly PlannedPlace[])[] {
    return [...this.desks.values()].flatMap(({ owner }) => {
      const places = owner?.phase.kind === 'done' ? [] : (owner?.route?.places ?? []);
      return places.some((place) => place.node === node) ? [places] : [];
    });
  }

  request(draw: SessionDraw): Reader {
    const reader = new Reader(this.world, draw);
    this.readers.push(reader);
    this.open(reader);
    if (draw.cancelAtMs !== null) {
      this.world.timeline.in(draw.cancelAtMs, () => {
        this.cancel(reader);
      });
    }
    return reader;
  }

  hello(node: Machine): void {
    const before = this.alive.get(node.id);
    this.incarnations += 1;
    node.incarnation = this.incarnations;
    if (before) this.lose(node, before.incarnation, 'hello');
    node.range ??= rangeFor(this.world, this.alive.size);
    const { now } = this.world.timeline;
    this.alive.set(node.id, { node, incarnation: node.incarnation, heardAt: now });
    this.sockets.open(node);
    this.world.log(() => `${short(node.id)} hello ${node.incarnation}`);
    this.changed();
  }

  /** Somebody came or is ready for more. */
  changed(): void {
    this.broadcast({ type: 'nodes-changed' });
  }

  pong(node: Machine, progress: readonly Progress[]): void {
    const { incarnation } = node;
    this.sockets.up(node, () => {
      const known = this.alive.get(node.id);
      if (known?.incarnation !== incarnation) return;
      known.heardAt = this.world.timeline.now;
      this.broadcast({ type: 'progress', node: node.id, incarnation, progress });
    });
  }

  fromNode(node: Machine, message: StageMessage): void {
    this.world.ambushes.around(message.type, { node }, () => {
      this.sockets.say(node, message);
    });
  }

  leave(node: Machine): void {
    this.lose(node, node.incarnation, 'left');
  }

  /** Its places are given up at once, and freed; it may get others when it resumes (V2). */
  pause(node: Machine, ms: number): boolean {
    const { id, incarnation, life } = node;
    // The node says so over its socket.
    const isHeard = this.isLiving(id, incarnation) && this.sockets.isOpen(node);
    if (!isHeard || this.paused.has(id)) return false;
    this.paused.add(id);
    node.feed({ type: 'pause' });
    for (const desk of this.desks.values()) {
      desk.auditor.lost(id);
      const route = desk.owner?.phase.kind === 'done' ? null : desk.owner?.route;
      if (!route?.places.some((place) => place.node === id)) continue;
      this.send(node, { type: 'release', session: desk.id, epoch: route.epoch });
    }
    this.broadcast({ type: 'node-lost', node: id, incarnation });
    this.world.timeline.in(ms, () => {
      if (node.life !== life || !this.isLiving(id, incarnation)) return;
      this.paused.delete(id);
      node.feed({ type: 'resume' });
      this.broadcast({ type: 'node-returned', node: id, incarnation });
      this.changed();
    });
    return true;
  }

  dropSocket(node: Machine, ms: number): boolean {
    return this.sockets.drop(node, ms);
  }

  socketClosed(node: Machine): void {
    this.sockets.drop(node, Infinity);
  }

  /** The process of one owner dies; its reader resumes elsewhere by what it holds (S13). */
  killOwner(): boolean {
    const desk = [...this.desks.values()].find((each) => each.owner && !each.reader.ended);
    if (!desk) return false;
    desk.owner = null;
    this.world.log(() => `owner of ${desk.reader.name} dies`);
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

  /** The reader hangs up, or has read a stop string. */
  cancel(reader: Reader): void {
    const desk = [...this.desks.values()].find((each) => each.reader === reader && each.owner);
    if (!desk?.owner || reader.ended) return;
    this.world.witness.cancelled(desk.owner);
    this.world.witness.draftsEnd(desk.id, 'cancelled');
    this.input(desk, { type: 'cancel' });
  }

  private open(reader: Reader): void {
    this.opened += 1;
    const id = this.opened.toString(16).padStart(32, '0') as SessionId;
    const request = reader.requestFor(id, MANIFEST);
    const auditor = new Auditor(reader.name, this);
    const desk: Desk = { id, request, reader, auditor, owner: null, tickAt: Infinity };
    this.desks.set(id, desk);
    const plan = planRoute(this.world, { keep: [], relay: [], without: [] });
    const [state, outputs] = this.world.core.createOwner(request, plan, this.world.timeline.now);
    auditor.opened(outputs, this.world.timeline.now);
    this.took(desk, [state, outputs]);
  }

  private onWord(node: Machine, incarnation: number, message: StageMessage): void {
    this.world.log(
      () => `office < ${short(node.id)} ${describeWord(message)}`,
      message.type.length + node.incarnation * 32,
    );
    const input = { type: 'message', node: node.id, incarnation, message } as const;
    const isLiving = this.isLiving(node.id, incarnation);
    this.world.witness.heard(input, isLiving);
    if (message.type !== 'resync') {
      const desk = this.desks.get(message.session);
      if (desk?.owner) this.input(desk, input);
      else if (isLiving) this.send(node, { type: 'end', session: message.session });
      return;
    }
    for (const { session } of message.sessions) {
      if (isLiving && !this.desks.get(session)?.owner) this.send(node, { type: 'end', session });
    }
    for (const desk of this.desks.values()) if (desk.owner) this.input(desk, input);
  }

  private broadcast(input: OwnerInput): void {
    for (const desk of this.desks.values()) {
      if (desk.owner && desk.owner.phase.kind !== 'done') this.input(desk, input);
    }
  }

  private input(desk: Desk, input: OwnerInput): void {
    const before = desk.owner;
    if (!before) return;
    const { now } = this.world.timeline;
    const step = this.world.core.stepOwner(before, input, now);
    desk.auditor.after({ before, input, outputs: step[1], now });
    this.took(desk, step);
    if (desk.owner && isInFailover(desk.owner)) this.lieInWait(desk.owner, before);
  }

  private lieInWait(owner: OwnerState, before: OwnerState): void {
    const isSame =
      owner.phase.kind === before.phase.kind && owner.route?.epoch === before.route?.epoch;
    if (isSame && isInFailover(before)) return;
    const living = (owner.route?.places ?? []).filter((place) =>
      this.isLiving(place.node, place.incarnation),
    );
    const place = living.length > 0 ? this.world.random.pick(living) : null;
    const node = place ? (this.world.nodes.get(place.node) ?? null) : null;
    this.world.ambushes.onFailover(owner.phase.kind, node);
  }

  private took(desk: Desk, [state, outputs]: OwnerStep<OwnerState>): void {
    desk.owner = state;
    for (const output of outputs) this.perform(desk, output);
    const { deadline } = this.world.core.viewOwner(state);
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
        const { node, incarnation, message } = output;
        if (message.type === 'fill' && desk.owner) world.witness.filled(desk.owner, message);
        const known = this.alive.get(node);
        if (known?.incarnation === incarnation) this.send(known.node, message);
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
      case 'route-changed': {
        world.count(`epoch: ${output.cause}`);
        world.witness.routed(desk.id, output.plan);
        world.witness.draftsEnd(desk.id, 'a new epoch ends it');
        desk.reader.routed(output.plan);
        world.monitor.onEpoch(desk.id, output.epoch, () => desk.owner);
        world.log(() => `${desk.reader.name} epoch ${output.epoch}: ${output.cause}`, output.epoch);
        return;
      }
      case 'prefix-hit': {
        world.count('prompt rows computed by nobody');
        return;
      }
      case 'done': {
        desk.reader.done(output.outcome, desk.owner?.route?.plan ?? null);
        world.monitor.onEnd(desk.id);
        return;
      }
    }
  }

  private send(node: Machine, message: OwnerMessage): void {
    this.world.log(
      () => `office > ${short(node.id)} ${describeOrder(message)}`,
      message.type.length + node.incarnation * 64,
    );
    this.world.ambushes.around(message.type, { node }, () => {
      this.sockets.order(node, message);
    });
  }

  private answerRoute(desk: Desk, ask: Extract<OwnerOutput, { type: 'need-route' }>): void {
    const { world } = this;
    const delay = world.random.chance(0.5) ? 0 : world.random.unit() * 60;
    if (ask.relay.length > 0) world.count('route by relay');
    if (ask.without.length > 0) world.count('route without one that is put off');
    const kept = new Set(ask.keep.map(({ node }) => node));
    // Living and not kept: short of pages (S11).
    const short = (desk.owner?.route?.places ?? [])
      .filter((place) => this.isLiving(place.node, place.incarnation) && !kept.has(place.node))
      .map(({ node }) => node);
    const without = [...short, ...ask.without];
    world.timeline.in(delay, () => {
      // Where somebody was put off, null ends the answer: only who has no route says so.
      const isBusy = world.random.chance(0.1) && ask.without.length === 0;
      const plan = isBusy ? null : planRoute(world, { ...ask, without });
      this.input(desk, { type: 'route', plan });
      if (isBusy)
        world.timeline.in(200, () => {
          this.input(desk, { type: 'nodes-changed' });
        });
    });
  }

  /** Ends an incarnation: fenced, and every owner is told (V3). */
  private lose(node: Machine, incarnation: number, why: string): void {
    const known = this.alive.get(node.id);
    if (known?.incarnation !== incarnation) return;
    this.world.witness.lost(node.id, this.desks.values());
    this.alive.delete(node.id);
    this.paused.delete(node.id);
    this.world.log(() => `${short(node.id)} declared: ${why}`, node.incarnation);
    node.onDeclared();
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
}
