import { unreachable } from '#lib/kernel/assert.ts';
import type { SimNode } from './node.ts';
import type { DisturbanceKind } from './scenario.ts';
import { short, type World } from './world.ts';

interface What {
  readonly kind: DisturbanceKind;
  readonly size: number;
}

/** Does one disturbance, to `target` where it is about a node. */
export function disturb(world: World, what: What, target: SimNode | null = null): void {
  const living = world.livingNodes();
  const node =
    target?.state === 'up' ? target : living.length > 0 ? world.random.pick(living) : null;
  if (!node) return;
  world.log(`disturbance ${what.kind} ${short(node.id)}`);
  if (apply(world, what, node)) world.count(what.kind);
}

/** @returns whether it really happened. */
function apply(world: World, { kind, size }: What, node: SimNode): boolean {
  switch (kind) {
    case 'crash':
      return crash(node, size, 4000 + size * 6000);
    case 'crash-back':
      return crash(node, size, 50 + size * 1800);
    case 'crash-two': {
      const others = world.livingNodes().filter((other) => other !== node);
      if (others.length > 0) crash(world.random.pick(others), size, 3000 + size * 3000);
      return crash(node, size, 2000 + size * 9000) && others.length > 0;
    }
    case 'freeze':
      node.stop('frozen', size < 0.5 ? size * 3000 : size * 12_000);
      return true;
    case 'hang':
      node.stop('hung', size * 20_000);
      return true;
    case 'slow':
      return slow(world, node, size);
    case 'leave':
      return leave(world, node, size);
    case 'join':
      world.addNode();
      return true;
    case 'socket-drop':
      return world.office.dropSocket(node, size * 700);
    case 'link-close':
    case 'link-flap':
      return closeLink(world, node, kind === 'link-flap' ? size : size * 3000);
    case 'one-way':
    case 'lose-frame':
      return harmLink(world, node, kind);
    case 'owner-dies':
      return world.office.killOwner();
    case 'shard-gone':
      return node.loseShard();
    case 'cancel':
      return world.office.cancelOne();
    default:
      return unreachable(kind);
  }
}

function crash(node: SimNode, size: number, backMs: number): boolean {
  const { world } = node;
  node.die(size * 3000);
  // A closed page closes its socket at once; a lost machine is noticed by its silence.
  if (size < 0.7) world.office.socketClosed(node);
  world.timeline.in(backMs, () => {
    if (node.state === 'gone') node.join();
  });
  return true;
}

function slow(world: World, node: SimNode, size: number): boolean {
  const before = node.slowness;
  node.slowness = 2 + size * 40;
  world.timeline.in(size * 8000, () => {
    node.slowness = before;
  });
  return true;
}

function leave(world: World, node: SimNode, size: number): boolean {
  world.office.leave(node);
  node.die(0);
  world.timeline.in(1000 + size * 8000, () => {
    if (node.state === 'gone') node.join();
  });
  return true;
}

function peerOf(world: World, node: SimNode): SimNode | null {
  const peers = world
    .livingNodes()
    .filter((other) => other !== node && world.network.isOpen(node.id, other.id));
  return peers.length > 0 ? world.random.pick(peers) : null;
}

function closeLink(world: World, node: SimNode, backMs: number): boolean {
  const peer = peerOf(world, node);
  if (!peer) return false;
  world.network.close(node.id, peer.id);
  world.network.connect(node.id, peer.id, backMs);
  return true;
}

function harmLink(world: World, node: SimNode, kind: 'one-way' | 'lose-frame'): boolean {
  const peer = peerOf(world, node);
  if (!peer) return false;
  world.network.deafen(node.id, peer.id);
  if (kind === 'lose-frame') {
    const pair = world.network.pair(node.id, peer.id);
    world.timeline.in(pair.delayMs + 5, () => {
      pair.deafEnd = null;
    });
  }
  return true;
}
