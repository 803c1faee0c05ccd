import type { NodeId } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import type { StageInput } from '#lib/shard/stage/types.ts';
import { short, type Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import { isOfDrafts, type Witness } from './witness.ts';

/** One pair of nodes. Frames in flight belong to a generation: a closed link loses them. */
interface Pair {
  readonly ends: readonly [NodeId, NodeId];
  /** One-way delay; fixed for the pair. */
  readonly delayMs: number;
  path: 'direct' | 'relay' | null;
  generation: number;
  /** No direct path will ever form again, or it loses what it carries (V1). */
  relayOnly: boolean;
  deafEnd: NodeId | null;
  /** When the last message to each end arrives: order is kept. */
  readonly lastAt: Map<NodeId, number>;
  /** Messages sent to each end, and the latest of them that came: to see those that come late. */
  readonly sent: Map<NodeId, number>;
  readonly came: Map<NodeId, number>;
}

/** What one message brings. */
interface Flight {
  readonly from: NodeId;
  readonly frames: readonly Frame[];
  readonly inOrder: boolean;
  readonly isCopy?: boolean;
}

interface NetworkWorld extends Ground {
  readonly nodes: ReadonlyMap<NodeId, Machine>;
  readonly witness: Witness;
  readonly office: { isAtWork(id: NodeId): boolean };
}

export class Network {
  private readonly pairs = new Map<string, Pair>();
  private readonly world: NetworkWorld;

  constructor(world: NetworkWorld) {
    this.world = world;
  }

  pair(a: NodeId, b: NodeId): Pair {
    const ends = a < b ? ([a, b] as const) : ([b, a] as const);
    const key = ends.join();
    let pair = this.pairs.get(key);
    if (!pair) {
      const { hopMs, skew } = this.world.scenario;
      const delayMs = Math.min(400, hopMs * skew ** this.world.random.unit());
      pair = {
        ends,
        delayMs,
        path: null,
        generation: 0,
        relayOnly: false,
        deafEnd: null,
        lastAt: new Map(),
        sent: new Map(),
        came: new Map(),
      };
      this.pairs.set(key, pair);
    }
    return pair;
  }

  /** Opens the pair after a while, if both nodes are there then. */
  connect(a: NodeId, b: NodeId, afterMs: number): void {
    const pair = this.pair(a, b);
    const { generation } = pair;
    this.world.timeline.in(afterMs, () => {
      if (pair.generation !== generation) return;
      if (!this.isUp(a) || !this.isUp(b)) return;
      this.open(pair, pair.relayOnly ? 'relay' : 'direct');
    });
  }

  /** The server brings a pair together over the relay. */
  useRelay(a: NodeId, b: NodeId): void {
    const pair = this.pair(a, b);
    if (pair.relayOnly && pair.path === 'relay') return;
    pair.relayOnly = true;
    this.world.timeline.in(20, () => {
      if (this.isUp(a) && this.isUp(b) && pair.path !== 'relay') this.open(pair, 'relay');
    });
  }

  /** Loses what is in flight; each end notices in its own time. */
  close(a: NodeId, b: NodeId, noticeMs = 0): void {
    const pair = this.pair(a, b);
    if (pair.path === null) return;
    pair.path = null;
    pair.generation += 1;
    pair.lastAt.clear();
    const { generation } = pair;
    this.world.log(() => `link ${short(a)}-${short(b)} closed`);
    for (const [end, peer] of [[a, b] as const, [b, a] as const]) {
      const delay = this.world.random.unit() * noticeMs;
      this.world.timeline.in(delay, () => {
        // Opened again meanwhile: the node was told when that happened.
        if (pair.generation === generation) this.tell(end, { type: 'link-closed', peer });
      });
    }
  }

  closeAll(node: NodeId, noticeMs: number): void {
    for (const pair of this.pairs.values()) {
      if (pair.ends.includes(node)) this.close(pair.ends[0], pair.ends[1], noticeMs);
    }
  }

  /** The open path of a pair, if there is one. */
  pathOf(a: NodeId, b: NodeId): 'direct' | 'relay' | null {
    return this.pair(a, b).path;
  }

  isOpen(a: NodeId, b: NodeId): boolean {
    return this.pair(a, b).path !== null;
  }

  /** From then on nothing that is sent to `end` over the direct path arrives. */
  deafen(end: NodeId, from: NodeId): void {
    this.pair(end, from).deafEnd = end;
  }

  send(from: NodeId, to: NodeId, frames: readonly Frame[]): void {
    const { world } = this;
    const pair = this.pair(from, to);
    if (pair.path === null) return;
    if (pair.path === 'direct' && pair.deafEnd === to) {
      world.count('frame lost on a dead direction');
      return;
    }
    const { frameTrouble } = world.scenario;
    if (frameTrouble > 0 && world.random.chance(frameTrouble)) {
      this.trouble(pair, to, { from, frames, inOrder: false });
      return;
    }
    this.carry(pair, to, { from, frames, inOrder: true });
  }

  private trouble(pair: Pair, to: NodeId, flight: Flight): void {
    const { world } = this;
    const kind = world.random.pick(['lost', 'doubled', 'overtaken', 'overtaken'] as const);
    if (kind === 'lost') {
      world.count('frame lost on a live link');
      if (flight.frames.some(isOfDrafts)) world.count('step of drafts: lost on a live link');
      return;
    }
    this.carry(pair, to, { ...flight, inOrder: kind === 'doubled' });
    if (kind === 'doubled') this.carry(pair, to, { ...flight, isCopy: true });
  }

  private carry(pair: Pair, to: NodeId, flight: Flight): void {
    const { world } = this;
    const { generation } = pair;
    const delay = pair.delayMs * (1 + world.random.unit() * 0.2) * (pair.path === 'relay' ? 3 : 1);
    let at = world.timeline.now + delay;
    if (flight.inOrder) {
      at = Math.max(at, pair.lastAt.get(to) ?? 0);
      pair.lastAt.set(to, at);
    } else at += world.random.unit() * (20 * pair.delayMs + 200);
    const number = (pair.sent.get(to) ?? 0) + 1;
    pair.sent.set(to, number);
    const isZombie = !world.office.isAtWork(flight.from);
    world.timeline.at(at, () => {
      if (pair.generation === generation) this.arrive(pair, to, { flight, number, isZombie });
      else if (pair.path === null) world.count('frame lost: link closed');
      else world.count('frame lost: link closed and open again');
    });
  }

  private arrive(
    pair: Pair,
    to: NodeId,
    { flight, number, isZombie }: { flight: Flight; number: number; isZombie: boolean },
  ): void {
    const { world } = this;
    const node = world.nodes.get(to);
    if (!node) return;
    if (flight.isCopy) world.count('frame doubled');
    else if (number < (pair.came.get(to) ?? 0)) world.count('frame out of order');
    else pair.came.set(to, number);
    if (isZombie && node.state === 'up')
      for (const frame of flight.frames) world.witness.zombieFrame(node, frame);
    node.feed({ type: 'frames', from: flight.from, frames: flight.frames });
  }

  private open(pair: Pair, path: 'direct' | 'relay'): void {
    pair.generation += 1;
    pair.path = path;
    pair.lastAt.clear();
    this.world.log(() => `link ${short(pair.ends[0])}-${short(pair.ends[1])} open ${path}`);
    this.tell(pair.ends[0], { type: 'link-open', peer: pair.ends[1], path });
    this.tell(pair.ends[1], { type: 'link-open', peer: pair.ends[0], path });
  }

  private isUp(node: NodeId): boolean {
    return this.world.nodes.get(node)?.state === 'up';
  }

  private tell(end: NodeId, input: StageInput): void {
    this.world.nodes.get(end)?.feed(input);
  }
}
