import { unreachable } from '#lib/kernel/assert.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { short, type Ground } from './ground.ts';
import type { Machine, Meeting } from './machine.ts';
import type { Network } from './network.ts';
import type { Office } from './office.ts';
import type { DisturbanceKind } from './scenario.ts';

/** What can be disturbed. */
export interface Disturbed extends Ground {
  readonly nodes: ReadonlyMap<NodeId, Machine>;
  readonly network: Network;
  readonly office: Office;
  addNode(): unknown;
  livingNodes(): readonly Machine[];
}

interface What {
  readonly kind: DisturbanceKind;
  readonly size: number;
}

/** Does one disturbance; where it met a message, to the node at its end. */
export function disturb(world: Disturbed, what: What, meeting: Meeting | null = null): void {
  const living = world.livingNodes();
  const met = meeting?.node.state === 'up' ? meeting : null;
  const node = met?.node ?? (living.length > 0 ? world.random.pick(living) : null);
  if (!node) return;
  world.log(() => `disturbance ${what.kind} ${short(node.id)}`, node.incarnation);
  if (apply(world, what, { ...met, node })) world.count(what.kind);
}

/** @returns whether it really happened. */
function apply(world: Disturbed, { kind, size }: What, meeting: Meeting): boolean {
  const { node } = meeting;
  switch (kind) {
    case 'crash':
    case 'crash-holder':
      return crash(world, node, { size, backMs: 4000 + size * 6000 });
    case 'crash-back':
      return crash(world, node, { size, backMs: 50 + size * 1800 });
    case 'crash-adjacent':
    case 'crash-apart':
      return crashTwo(world, node, { size, isNext: kind === 'crash-adjacent' });
    case 'crash-two': {
      const others = world.livingNodes().filter((other) => other !== node);
      if (others.length > 0)
        crash(world, world.random.pick(others), { size, backMs: 3000 + size * 3000 });
      return crash(world, node, { size, backMs: 2000 + size * 9000 }) && others.length > 0;
    }
    case 'freeze':
      node.stop('frozen', size < 0.5 ? size * 3000 : size * 12_000);
      return true;
    case 'busy':
      node.stop('busy', size * 1800);
      return true;
    case 'zombie-early':
    case 'zombie-late':
      node.becomeZombie(kind === 'zombie-early' ? 0 : 100 + size * 1000);
      return true;
    case 'hang':
      node.stop('hung', size * 20_000);
      return true;
    case 'slow':
      return slow(world, node, size);
    case 'leave':
      return leave(world, node, size);
    case 'pause':
      return world.office.pause(node, size * 4000);
    case 'join':
      world.addNode();
      return true;
    case 'socket-drop':
      return world.office.dropSocket(node, size * 700);
    case 'sockets-drop':
      return dropAll(world, size);
    case 'link-close':
    case 'link-flap':
      return closeLink(world, peerOf(world, meeting), kind === 'link-flap' ? size : size * 3000);
    case 'one-way':
    case 'lose-frame':
      return harmLink(world, peerOf(world, meeting), kind);
    case 'drop-it':
      world.count('frame lost on a live link');
      return true;
    case 'owner-dies':
      return world.office.killOwner();
    case 'shard-gone':
      return node.loseShard();
    case 'run-fails':
      return node.spoilRun(size < 0.5 ? 'engine' : 'no-room');
    case 'regrows':
    case 'refuses':
    case 'finds-fault':
    case 'poisons':
    case 'dawdles':
      return node.turnLiar(kind);
    case 'cancel':
      return world.office.cancelOne();
    default:
      return unreachable(kind);
  }
}

function crash(
  world: Disturbed,
  node: Machine,
  { size, backMs }: { readonly size: number; readonly backMs: number },
): boolean {
  node.die(size * 3000);
  // A closed page closes its socket at once; a lost machine is noticed by its silence.
  if (size < 0.7) world.office.socketClosed(node);
  world.timeline.in(backMs, () => {
    if (node.state === 'gone') node.join();
  });
  return true;
}

function slow(world: Disturbed, node: Machine, size: number): boolean {
  const before = node.slowness;
  node.slowness = 2 + size * 40;
  world.timeline.in(size * 8000, () => {
    node.slowness = before;
  });
  return true;
}

function leave(world: Disturbed, node: Machine, size: number): boolean {
  world.office.leave(node);
  node.die(0);
  world.timeline.in(1000 + size * 8000, () => {
    if (node.state === 'gone') node.join();
  });
  return true;
}

/** Two holders of one route: neighbours in its ring, or not. */
function crashTwo(
  world: Disturbed,
  node: Machine,
  { size, isNext }: { size: number; isNext: boolean },
): boolean {
  for (const places of world.office.routesOver(node.id)) {
    const at = places.findIndex((place) => place.node === node.id);
    const others = places.filter((_, i) => {
      const apart = Math.abs(i - at);
      return apart > 0 && (apart === 1 || apart === places.length - 1) === isNext;
    });
    const other = others.map((place) => world.nodes.get(place.node)).find((each) => each !== node);
    if (other?.state !== 'up') continue;
    crash(world, other, { size, backMs: 3000 + size * 3000 });
    return crash(world, node, { size, backMs: 2000 + size * 9000 });
  }
  return false;
}

/** The owner's network is away for a moment: all sockets at once. */
function dropAll(world: Disturbed, size: number): boolean {
  const dropped = world.livingNodes().filter((node) => world.office.dropSocket(node, size * 700));
  return dropped.length > 0;
}

type Ends = readonly [Machine, Machine];

/** The peer that was met, or a neighbour in a route, or any. */
function peerOf(world: Disturbed, { node, peer }: Meeting): Ends | null {
  const isPeer = (other: Machine): boolean =>
    other !== node && other.state === 'up' && world.network.isOpen(node.id, other.id);
  const met = peer === undefined ? undefined : world.nodes.get(peer);
  if (met && isPeer(met)) return [node, met];
  const routed = world.office.routesOver(node.id).flat();
  const peers = world.livingNodes().filter(isPeer);
  const near = peers.filter((other) => routed.some((place) => place.node === other.id));
  const pool = near.length > 0 && world.random.chance(0.7) ? near : peers;
  return pool.length > 0 ? [node, world.random.pick(pool)] : null;
}

function closeLink(world: Disturbed, ends: Ends | null, backMs: number): boolean {
  if (!ends) return false;
  // Open again before an end noticed: that end is told of the new link alone.
  world.network.close(ends[0].id, ends[1].id, world.random.chance(0.5) ? 10 : 0);
  world.network.connect(ends[0].id, ends[1].id, backMs);
  return true;
}

function harmLink(world: Disturbed, ends: Ends | null, kind: 'one-way' | 'lose-frame'): boolean {
  if (!ends) return false;
  // What the node sends is lost, or what it is sent.
  const [deaf, from] = world.random.chance(0.5) ? ends : ([ends[1], ends[0]] as const);
  world.network.deafen(deaf.id, from.id);
  if (kind === 'lose-frame') {
    const pair = world.network.pair(deaf.id, from.id);
    world.timeline.in(pair.delayMs + 5, () => {
      pair.deafEnd = null;
    });
  }
  return true;
}
