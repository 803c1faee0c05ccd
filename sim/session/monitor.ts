import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import { RING, TIMES } from '#lib/shard/wire/limits.ts';
import type { Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import type { RunSegment, StageInput, StageOutput, StageView } from '#lib/shard/stage/types.ts';
import type { Session } from '#lib/shard/stage/core/state.ts';
import type { OwnerState } from '#sim/core.ts';
import type { FakeEngine } from './fake-engine.ts';
import { SimFailure } from './failure.ts';
import { short, type Ground, type Owners } from './ground.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { KEPT_BLOCK_BYTES } from './scenario.ts';
import { SeqBook } from './seq-book.ts';

interface MonitorWorld extends Ground {
  readonly network: Network;
  readonly office: Owners & {
    readonly sockets: {
      droppedAt(node: Machine): number;
      generationOf(node: Machine): number;
    };
  };
  livingNodes(): readonly Machine[];
}

/** What the owner's orders have told a node of a session: the monitor's own book. */
interface Told {
  readonly epoch: number;
  readonly resumeAt: number;
  readonly promptLength: number;
  /** Of each hop, as the route says. */
  readonly paths: readonly ('direct' | 'relay')[];
  /** The node's own ranges, each with the epoch in which it took it. */
  readonly ranges: ReadonlySet<string>;
  accepted: number;
  /** Fill frames sent less acks taken, by place. */
  readonly inFlight: Map<number, { sent: number; acked: number }>;
}

/** A node may need so long to hear a word: the slowest socket takes 100 ms. */
const HEARD_MS = 1500;

/** Watches nodes from outside and holds the rules that a right answer alone does not show. */
export class Monitor {
  private readonly told = new Map<string, Told>();
  private readonly ended = new Set<string>();
  /** Up to which epoch a node was released, and who may not run (V2). */
  private readonly released = new Map<string, number>();
  private readonly paused = new Set<string>();
  readonly seqs: SeqBook;
  /** The engine itself ran short: whoever was in its run gives way, old or young. */
  private hasRunFailed = false;
  /** From which position on rows may be computed, by session, epoch and first layer. */
  private readonly computed = new Map<string, number>();
  /** Position of the latest token of a session, by epoch: only it is embedded next. */
  private readonly toldToken = new Map<string, number>();
  private readonly world: MonitorWorld;

  constructor(world: MonitorWorld) {
    this.world = world;
    this.seqs = new SeqBook(world);
  }

  afterInput(node: Machine, input: StageInput, { keptBytes }: StageView): void {
    if (input.type === 'message') this.onOrder(node, input.message);
    this.hasRunFailed = input.type === 'run-failed';
    if (input.type === 'pause') this.paused.add(lifeOf(node));
    if (input.type === 'resume') this.paused.delete(lifeOf(node));
    for (const frame of input.type === 'frames' ? input.frames : []) {
      if (frame.type === 'chunk-ack') this.onAck(node, frame);
    }
    if (keptBytes > this.world.scenario.keptBytesMax) {
      throw new SimFailure('budget', `${short(node.id)} keeps ${keptBytes} bytes`);
    }
    for (const { frame } of node.core.held) {
      const key = keyOf(node, frame.session);
      if (this.ended.has(key) || frame.epoch <= (this.released.get(key) ?? 0))
        throw new SimFailure('leftover', `${short(node.id)} holds a frame of what it gave up`);
    }
    this.checkBounds(node);
  }

  onRun(node: Machine, segments: readonly RunSegment[]): void {
    if (this.paused.has(lifeOf(node)))
      throw new SimFailure('order', `${short(node.id)} is paused and starts a run`);
    for (const segment of segments) this.checkAhead(node, segment);
  }

  /** Nobody computes more than two chunks that the next place has not been sent (S12). */
  private checkAhead(node: Machine, { session, place, firstPosition }: RunSegment): void {
    const known = node.core.sessions.get(session);
    const seat = known?.seats.find((each) => each.slot === place);
    if (!known || !seat || seat.place === known.prepare.route.length - 1) return;
    const unsent = firstPosition - seat.flow.sendFrom;
    const most = RING.unackedChunksMax * known.prepare.chunkRows;
    if (firstPosition < known.prepare.resumeAt && unsent >= most)
      throw new SimFailure('budget', `${short(node.id)} has ${unsent} rows to send and computes`);
  }

  /** Nothing that a node keeps of its peers and owners grows without end. */
  private checkBounds(node: Machine): void {
    const { held, sessions, fences } = node.core;
    const fail = (what: string): never => {
      throw new SimFailure('budget', `${short(node.id)} ${what}`);
    };
    for (const { frame } of held) {
      const beside = held.filter((each) => each.frame.session === frame.session);
      const same = beside.filter((each) => each.frame.place === frame.place).length;
      if (same > RING.heldFramesMax) fail(`holds ${same} frames of one place`);
    }
    if (fences.size > this.world.office.desks.size) fail(`has ${fences.size} fences`);
    for (const { id, seats } of sessions.values()) {
      if (this.ended.has(keyOf(node, id)))
        throw new SimFailure('leftover', `${short(node.id)} goes on with an ended session`);
      for (const { flow } of seats) {
        if (flow.unacked.length > RING.unackedTokensMax) fail('keeps too many tokens');
        if (flow.unacked.length === RING.unackedTokensMax) this.world.count('run-ahead stops');
        // Two chunks on the way and a row to decode; a lost ack lets no more come.
        if (flow.inbox.length > RING.unackedChunksMax + 1) fail('takes more chunks than two');
      }
    }
  }

  private onOrder(
    node: Machine,
    message: Extract<StageInput, { type: 'message' }>['message'],
  ): void {
    const key = keyOf(node, message.session);
    const told = this.told.get(key);
    if (message.type === 'prepare' && message.epoch > (told?.epoch ?? 0)) {
      const { epoch, resumeAt, promptLength } = message;
      const paths = message.route.map(({ path }) => path);
      const accepted = resumeAt - promptLength + 1;
      const own = message.route.filter((place) => place.node === node.id);
      const ranges = new Set(own.map(rangeSince));
      const words = { epoch, resumeAt, promptLength, accepted, paths, ranges };
      this.told.set(key, { ...words, inFlight: new Map() });
      this.checkNewcomer(node, message, told?.ranges ?? new Set());
    }
    if (message.type === 'ack' && told?.epoch === message.epoch) {
      told.accepted = Math.max(told.accepted, message.accepted);
    }
    if (message.type === 'release') this.released.set(key, message.epoch);
    if (message.type === 'end') this.ended.add(key);
  }

  /** Who has taken a range anew has nothing of it, whatever it once had (S5). */
  private checkNewcomer(
    node: Machine,
    { session, route }: Prepare,
    had: ReadonlySet<string>,
  ): void {
    for (const seat of node.core.sessions.get(session)?.seats ?? []) {
      const place = route[seat.place];
      if (place && !had.has(rangeSince(place)) && seat.kvLength > 0)
        throw new SimFailure('fence', `${short(node.id)} keeps rows of another \`since\``);
    }
  }

  /** Once an epoch each position, each index; never ahead of the owner by more than 16 (S5, S7). */
  onSegment(node: Machine, engine: FakeEngine, segment: RunSegment): void {
    const { session, epoch, firstPosition, rows, want } = segment;
    const key = `${session}/${epoch}/${engine.range.first}`;
    const next = Math.max(
      this.computed.get(key) ?? 0,
      this.toldToken.get(`${session}/${epoch}`) ?? 0,
    );
    if (firstPosition < next) {
      throw new SimFailure(
        'twice',
        `${short(node.id)} computes ${firstPosition} again in ${epoch}`,
      );
    }
    const told = this.told.get(keyOf(node, session));
    // What follows the first row of a step may be of drafts, and be computed again of other ids.
    const isFill = told?.epoch === epoch && firstPosition < told.resumeAt;
    this.computed.set(key, firstPosition + (isFill ? rows : 1));
    if ((want.kind !== 'sample' && want.kind !== 'sample-rows') || told?.epoch !== epoch) return;
    const points = want.kind === 'sample' ? [want] : want.points;
    const [first, last] = [points[0]?.index ?? 0, points.at(-1)?.index ?? 0];
    if (firstPosition < told.resumeAt) {
      throw new SimFailure('twice', `${short(node.id)} samples #${first}, accepted already`);
    }
    if (last - told.accepted >= RING.unackedTokensMax) {
      throw new SimFailure('budget', `${short(node.id)} runs ahead to #${last}`);
    }
  }

  /** A token goes on from the last one of its epoch, and no step may begin before it (S5). */
  private onToken(
    node: Machine,
    { session, epoch, index }: Extract<StageMessage, { type: 'token' }>,
  ): void {
    const told = this.told.get(keyOf(node, session));
    if (told?.epoch !== epoch) return;
    const key = `${session}/${epoch}`;
    const position = told.promptLength + index;
    this.toldToken.set(key, Math.max(this.toldToken.get(key) ?? 0, position));
  }

  onFrameSent(node: Machine, to: NodeId, frame: Frame): void {
    const told = this.told.get(keyOf(node, frame.session));
    if (told?.epoch === frame.epoch) this.checkPath(node, to, told.paths[leftBy(frame, told)]);
    if (frame.type !== 'rows' || told?.epoch !== frame.epoch) return;
    if (frame.firstPosition >= told.resumeAt) return;
    const hop = told.inFlight.get(frame.place - 1) ?? { sent: 0, acked: 0 };
    hop.sent += 1;
    told.inFlight.set(frame.place - 1, hop);
    if (hop.sent - hop.acked > RING.unackedChunksMax) {
      throw new SimFailure(
        'budget',
        `${short(node.id)} has ${hop.sent - hop.acked} chunks on the way`,
      );
    }
  }

  /** What goes by relay has its reason (V1). */
  private checkPath(node: Machine, to: NodeId, path: 'direct' | 'relay' | undefined): void {
    if (path === 'relay' && this.world.network.pathOf(node.id, to) === 'direct')
      throw new SimFailure('order', `${short(node.id)} uses a direct link that is suspect`);
  }

  private onAck(node: Machine, frame: Extract<Frame, { type: 'chunk-ack' }>): void {
    const told = this.told.get(keyOf(node, frame.session));
    const hop = told?.epoch === frame.epoch ? told.inFlight.get(frame.place) : undefined;
    if (hop) hop.acked = Math.max(hop.acked, frame.taken);
  }

  /** Sessions that hear nothing are freed in time, and not in silence (S10). */
  checkExpiry(node: Machine, before: readonly Session[], outputs: readonly StageOutput[]): void {
    const { now } = this.world.timeline;
    for (const { id, heardAt, seats } of before) {
      const isHeld = node.core.sessions.has(id);
      const fail = (what: string): never => {
        throw new SimFailure('leftover', `${short(node.id)} ${what} a session unheard`);
      };
      if (isHeld && now - heardAt >= TIMES.stageExpiryMs) fail('holds');
      const isSaid = outputs.some(
        (output) =>
          output.type === 'owner' &&
          output.message.type === 'fault' &&
          output.message.session === id,
      );
      const hasSpoken = seats.every(({ flow }) => flow.faulted);
      if (!isHeld && !isSaid && !hasSpoken) fail('frees in silence');
    }
  }

  /** A node that could hear its owner all the time has no reason to call a session expired. */
  onWord(node: Machine, message: StageMessage): void {
    if (message.type === 'token') this.onToken(node, message);
    if (message.type !== 'fault') return;
    if (message.why === 'no-room' && !this.hasRunFailed) this.checkYoungest(node, message.session);
    if (message.why !== 'expired') return;
    const { office, timeline } = this.world;
    const owner = office.desks.get(message.session)?.owner;
    const quietFrom = timeline.now - TIMES.stageExpiryMs - TIMES.keepAliveEveryMs;
    const couldHear = office.sockets.droppedAt(node) < quietFrom && node.stuckUntil < quietFrom;
    const isHeld = owner?.route?.epoch === message.epoch && owner.phase.kind !== 'done';
    if (isHeld && couldHear)
      throw new SimFailure('lost', `${short(node.id)} lets a held session expire`);
  }

  /** Short of pages the youngest session gives its own back (S11). */
  private checkYoungest(node: Machine, session: SessionId): void {
    // Kept rows are another shortage, where they are short.
    if (this.world.scenario.keptBytesMax < KEPT_BLOCK_BYTES * 1000) return;
    const gave = node.core.sessions.get(session);
    if (!gave) return;
    const younger = [...node.core.sessions.values()].filter(({ order }) => order > gave.order);
    const isHeldByYounger = (shard: string): boolean =>
      younger.some(({ seats }) => seats.some((seat) => seat.shard === shard && seat.kvLength > 0));
    // One of its shards was short.
    if (gave.seats.every((seat) => isHeldByYounger(seat.shard)))
      throw new SimFailure('order', `${short(node.id)} takes pages from an older session`);
  }

  /** Who could hear the end of a session has freed it soon (S10). */
  onEnd(session: SessionId): void {
    this.whenHeard((node) => {
      if (node.core.sessions.has(session))
        throw new SimFailure('leftover', `${short(node.id)} holds a session that has ended`);
    });
  }

  /** Whom a new route leaves out frees the session soon, not when it expires (S5). */
  onEpoch(session: SessionId, epoch: number, ownerNow: () => OwnerState | null): void {
    this.whenHeard((node) => {
      const owner = ownerNow();
      if (owner?.route?.epoch !== epoch || owner.phase.kind === 'done') return;
      const isIn = owner.route.places.some((place) => place.node === node.id);
      if (!isIn && node.core.sessions.has(session))
        throw new SimFailure('leftover', `${short(node.id)} was left out and holds on`);
    });
  }

  /** Its socket is back: it hears that it was left out meanwhile (S4). */
  onBack(node: Machine): void {
    const { desks } = this.world.office;
    const epochOf = (session: SessionId): number => desks.get(session)?.owner?.route?.epoch ?? 0;
    const before = new Map([...node.core.sessions.keys()].map((id) => [id, epochOf(id)]));
    this.whenHeard((each) => {
      for (const session of each === node ? node.core.sessions.keys() : []) {
        const owner = desks.get(session)?.owner;
        if (owner?.phase.kind === 'done' || before.get(session) !== epochOf(session)) continue;
        if (owner?.route && !owner.route.places.some((place) => place.node === node.id))
          throw new SimFailure('leftover', `${short(node.id)} is back and holds what it lost`);
      }
    });
  }

  /** Looks after a while at each node that could hear its owner all the time. */
  private whenHeard(look: (node: Machine) => void): void {
    const { office, timeline } = this.world;
    const before = this.world.livingNodes().map((node) => {
      return { node, life: node.life, generation: office.sockets.generationOf(node) };
    });
    const began = timeline.now;
    timeline.in(HEARD_MS, () => {
      for (const { node, life, generation } of before) {
        const heard = node.life === life && office.sockets.generationOf(node) === generation;
        if (heard && node.stuckUntil <= began) look(node);
      }
    });
  }
}

/** The place whose hop a frame travels; acks go back over the same link. */
function leftBy(frame: Frame, { paths }: Told): number {
  if (frame.type === 'token') return paths.length - 1;
  return frame.type === 'rows' ? frame.place - 1 : frame.place;
}

const rangeSince = ({ range, since }: Prepare['route'][number]): string =>
  `${range.first}-${range.last}/${since}`;

const lifeOf = (node: Machine): string => `${node.id}/${node.life}`;

const keyOf = (node: Machine, session: SessionId): string => `${node.id}/${node.life}/${session}`;
