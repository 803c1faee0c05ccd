import type { NodeId } from '#lib/kernel/ids.ts';
import type { OwnerMessage, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import type { Monitor } from './monitor.ts';
import type { Witness } from './witness.ts';

const GRACE_MS = 500;

interface Socket {
  /** Null: away. What is in flight belongs to a generation and is lost with it. */
  generation: number;
  open: boolean;
  readonly delayMs: number;
  upAt: number;
  downAt: number;
  /** When it last lost something. */
  droppedAt: number;
}

interface Listener {
  word(node: Machine, incarnation: number, message: StageMessage): void;
  back(node: Machine, incarnation: number): void;
  away(node: Machine, incarnation: number): void;
  isAlive(node: Machine, incarnation: number): boolean;
}

interface SocketsWorld extends Ground {
  readonly monitor: Monitor;
  readonly witness: Witness;
}

/** The nodes' sockets to the server: in order both ways, until one drops. */
export class Sockets {
  private readonly byNode = new Map<NodeId, Socket>();
  private readonly world: SocketsWorld;
  private readonly listener: Listener;

  constructor(world: SocketsWorld, listener: Listener) {
    this.world = world;
    this.listener = listener;
  }

  open(node: Machine): void {
    const old = this.byNode.get(node.id);
    this.byNode.set(node.id, {
      generation: (old?.generation ?? 0) + 1,
      open: true,
      delayMs:
        old?.delayMs ??
        0.5 + this.world.random.unit() * this.world.random.pick(socketSpread(this.world)),
      upAt: 0,
      downAt: 0,
      droppedAt: this.world.timeline.now,
    });
  }

  droppedAt(node: Machine): number {
    return this.byNode.get(node.id)?.droppedAt ?? 0;
  }

  isOpen(node: Machine): boolean {
    return this.byNode.get(node.id)?.open ?? false;
  }

  /** Equal at two instants: nothing was lost in between. */
  generationOf(node: Machine): number {
    return this.byNode.get(node.id)?.generation ?? 0;
  }

  say(node: Machine, message: StageMessage): void {
    const { incarnation } = node;
    const arrive = (): void => {
      this.listener.word(node, incarnation, message);
    };
    this.up(node, arrive, () => {
      this.world.witness.lostOnSocket(message);
      this.hearLate(node, incarnation, arrive);
    });
  }

  /** Some words were read before their socket closed, and are heard after its incarnation (V3). */
  private hearLate(node: Machine, incarnation: number, arrive: () => void): void {
    const { timeline, random } = this.world;
    if (!random.chance(0.5)) return;
    timeline.in(random.unit() * random.pick([100, 3000]), () => {
      if (!this.listener.isAlive(node, incarnation)) arrive();
    });
  }

  /** Node to server. */
  up(node: Machine, arrive: () => void, lost: () => void = () => undefined): void {
    const socket = this.byNode.get(node.id);
    if (!socket?.open || node.state === 'gone') return;
    socket.upAt = Math.max(socket.upAt, this.world.timeline.now + this.delay(socket));
    this.fly(socket, { at: socket.upAt, arrive, lost });
  }

  /** Server to node. */
  order(node: Machine, message: OwnerMessage): void {
    const socket = this.byNode.get(node.id);
    if (!socket?.open) return;
    const { life } = node;
    socket.downAt = Math.max(socket.downAt, this.world.timeline.now + this.delay(socket));
    const arrive = (): void => {
      if (node.life === life) node.onSocket(message);
    };
    const lost = (): void => {
      this.world.witness.lostOnSocket(message);
    };
    this.fly(socket, { at: socket.downAt, arrive, lost });
  }

  /** Loses what is in flight; back after `ms`, in the same incarnation if that still lives. */
  drop(node: Machine, ms: number): boolean {
    const socket = this.byNode.get(node.id);
    if (!socket?.open) return false;
    socket.open = false;
    socket.generation += 1;
    socket.droppedAt = this.world.timeline.now;
    const { incarnation, life } = node;
    this.world.timeline.in(GRACE_MS, () => {
      if (!socket.open && this.byNode.get(node.id) === socket)
        this.listener.away(node, incarnation);
    });
    if (!Number.isFinite(ms)) return true;
    this.world.timeline.in(ms, () => {
      node.onMain(() => {
        if (node.life === life && this.byNode.get(node.id) === socket) this.comeBack(node, socket);
      });
    });
    return true;
  }

  private comeBack(node: Machine, socket: Socket): void {
    if (socket.open || !this.listener.isAlive(node, node.incarnation)) return;
    socket.open = true;
    this.world.count('socket back');
    this.listener.back(node, node.incarnation);
    this.world.monitor.onBack(node);
    node.feed({ type: 'socket-back' });
  }

  /** The server closes the socket; once it sees that, the node returns by a new hello (V3). */
  fence(node: Machine, incarnation: number): void {
    const socket = this.byNode.get(node.id);
    if (!socket || node.incarnation !== incarnation) return;
    socket.open = false;
    socket.generation += 1;
    const { life } = node;
    this.world.timeline.in(socket.delayMs, () => {
      node.onMain(() => {
        if (node.life === life) this.rejoin(node, life);
      });
    });
  }

  /** A zombie has a moment to go on with what it held before it knows better. */
  private rejoin(node: Machine, life: number): void {
    this.world.count('fenced node returns');
    this.world.timeline.in(this.world.random.unit() * 300, () => {
      if (node.life !== life || node.state === 'gone') return;
      node.die(0);
      node.join();
    });
  }

  private fly(socket: Socket, what: { at: number; arrive: () => void; lost: () => void }): void {
    const { generation } = socket;
    this.world.timeline.at(what.at, () => {
      if (socket.generation === generation && socket.open) what.arrive();
      else what.lost();
    });
  }

  private delay(socket: Socket): number {
    return socket.delayMs * (1 + this.world.random.unit() * 0.3);
  }
}

/** How much slower than the fastest a socket may be; with even nodes, slower than a link at most. */
function socketSpread({ scenario }: Ground): readonly number[] {
  if (!scenario.evenNodes) return [1, 20, 80];
  return scenario.patienceMs === null ? [1] : [1, 1, 40];
}
