import type { FaultCode } from '#lib/kernel/errors.ts';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import { refuseHello, type Hello } from '#lib/shard/mesh/hello.ts';
import { TIMES, WIRE } from '#lib/shard/wire/limits.ts';
import { SIGNALING } from './limits.ts';
import { partAll } from './pairs.ts';
import {
  goodbye,
  withEntry,
  withoutEntry,
  type NodeEntry,
  type Registry,
  type RegistryOutput,
  type RegistryStep,
  type SocketEntry,
  type SocketId,
} from './registry.ts';

/** Steps of sockets and incarnations (M1, M2, M5, V3). */

export interface Reason {
  readonly code: FaultCode;
  readonly message: string;
}

export function openSocket(
  registry: Registry,
  opened: { socket: SocketId; address: string; origin: string; nonce: string },
  now: InstantMs,
): RegistryStep {
  const { socket, ...facts } = opened;
  const crowd = countOf(registry.sockets, (entry) => entry.address === facts.address);
  if (crowd >= SIGNALING.socketsPerAddressMax) {
    const reason = {
      code: 'mesh/limit',
      message: 'too many connections from your address',
    } as const;
    return [registry, goodbye(socket, reason)];
  }
  const entry: SocketEntry = { ...facts, openedAt: now, node: null };
  return [{ ...registry, sockets: withEntry(registry.sockets, socket, entry) }, []];
}

/** M2. Whatever comes of it, the nonce is used up. */
export function takeHello(
  registry: Registry,
  said: { readonly socket: SocketId; readonly hello: Hello },
  now: InstantMs,
): RegistryStep {
  const { socket, hello } = said;
  const entry = registry.sockets.get(socket);
  if (!entry) return [registry, []];
  const sockets = withEntry(registry.sockets, socket, { ...entry, nonce: null });
  const used: Registry = { ...registry, sockets };
  const refusal = refusalOf(used, { entry, hello }, now);
  if (refusal) return [used, goodbye(socket, refusal)];
  const living = used.nodes.get(hello.node);
  return living && living.incarnation === hello.resume && living.identity === hello.identity
    ? resume(used, { socket, node: hello.node, living })
    : join(used, { socket, hello, address: entry.address }, now);
}

function refusalOf(
  registry: Registry,
  said: { readonly entry: SocketEntry; readonly hello: Hello },
  now: InstantMs,
): Reason | null {
  const { entry, hello } = said;
  if (hello.protocol !== WIRE.protocolVersion) {
    return { code: 'wire/version', message: 'this page is out of date: reload it' };
  }
  if (entry.nonce === null || entry.node !== null) {
    return { code: 'mesh/refused', message: 'a second hello on one connection' };
  }
  if (now - entry.openedAt > TIMES.nonceMs) {
    return { code: 'mesh/refused', message: 'the hello came too late' };
  }
  const { origin, nonce } = entry;
  const wrong = refuseHello(hello, { origin, nonce });
  if (wrong !== null) return { code: 'mesh/bad-signature', message: wrong };
  return crowdOf(registry, hello, entry.address);
}

function crowdOf(registry: Registry, hello: Hello, address: string): Reason | null {
  const others = [...registry.nodes].filter(([id]) => id !== hello.node);
  const count = (test: (entry: NodeEntry) => boolean) =>
    others.filter(([, entry]) => test(entry)).length;
  if (others.length >= SIGNALING.nodesMax) {
    return { code: 'mesh/limit', message: 'this server has no room for more nodes' };
  }
  if (count((entry) => entry.identity === hello.identity) >= SIGNALING.nodesPerIdentityMax) {
    return { code: 'mesh/limit', message: 'too many tabs of one profile' };
  }
  if (count((entry) => entry.address === address) >= SIGNALING.nodesPerAddressMax) {
    return { code: 'mesh/limit', message: 'too many nodes from your address' };
  }
  return null;
}

/** The socket came back to its incarnation, links and all; an older, half-dead socket is closed. */
function resume(
  registry: Registry,
  back: { readonly socket: SocketId; readonly node: NodeId; readonly living: NodeEntry },
): RegistryStep {
  const { socket, node, living } = back;
  const { incarnation } = living;
  const nodes = withEntry(registry.nodes, node, { ...living, socket, disconnectedAt: null });
  const outputs: RegistryOutput[] = [
    { type: 'send', socket, message: { type: 'welcome', incarnation, resumed: true } },
    { type: 'event', event: { type: 'back', node, incarnation } },
  ];
  if (living.socket !== null) outputs.unshift({ type: 'close', socket: living.socket });
  return [
    { ...registry, nodes, sockets: claim(registry, { socket, node, old: living.socket }) },
    outputs,
  ];
}

/** A new life, which ends the node's earlier one as a declaration would (V3). */
function join(
  registry: Registry,
  joining: { readonly socket: SocketId; readonly hello: Hello; readonly address: string },
  now: InstantMs,
): RegistryStep {
  const { socket, hello, address } = joining;
  const { node, profile } = hello;
  const identity = hello.identity as IdentityId;
  const old = registry.nodes.get(node)?.socket ?? null;
  const [cleared, outputs] = endNode(registry, node, {
    code: 'mesh/closed',
    message: 'this node began anew elsewhere',
  });
  const incarnation = registry.lastIncarnation + 1;
  const nodes = withEntry(cleared.nodes, node, {
    identity,
    incarnation,
    address,
    socket,
    disconnectedAt: null,
    links: new Map<NodeId, string>(),
    introductions: { since: now, count: 0 },
  });
  const sockets = claim(cleared, { socket, node, old });
  return [
    { ...cleared, lastIncarnation: incarnation, nodes, sockets },
    [
      ...outputs,
      { type: 'send', socket, message: { type: 'welcome', incarnation, resumed: false } },
      { type: 'event', event: { type: 'joined', node, identity, incarnation, profile, address } },
    ],
  ];
}

/** The socket closed by itself; a node on it may resume until it is fenced or 10 s are over. */
export function closeSocket(registry: Registry, socket: SocketId, now: InstantMs): RegistryStep {
  const entry = registry.sockets.get(socket);
  if (!entry) return [registry, []];
  const next = { ...registry, sockets: withoutEntry(registry.sockets, socket) };
  const living = entry.node === null ? undefined : registry.nodes.get(entry.node);
  if (entry.node === null || living?.socket !== socket) return [next, []];
  const away = { ...living, socket: null, disconnectedAt: now };
  const { incarnation } = living;
  return [
    { ...next, nodes: withEntry(next.nodes, entry.node, away) },
    [{ type: 'event', event: { type: 'disconnected', node: entry.node, incarnation } }],
  ];
}

/** V3: the incarnation is over; links end, the socket hears why. A later one is not touched. */
export function fence(
  registry: Registry,
  node: NodeId,
  fenced: { readonly incarnation: number; readonly reason: Reason },
): RegistryStep {
  const living = registry.nodes.get(node);
  if (living?.incarnation !== fenced.incarnation) return [registry, []];
  return endNode(registry, node, fenced.reason);
}

/** M5: sockets that say no hello; nodes that did not come back and that nobody fenced. */
export function tick(registry: Registry, now: InstantMs): RegistryStep {
  let next = registry;
  const outputs: RegistryOutput[] = [];
  for (const [socket, entry] of registry.sockets) {
    if (entry.node !== null || now - entry.openedAt < TIMES.helloMs) continue;
    next = { ...next, sockets: withoutEntry(next.sockets, socket) };
    outputs.push(...goodbye(socket, { code: 'kernel/timeout', message: 'no hello within 5 s' }));
  }
  for (const [node, { disconnectedAt }] of registry.nodes) {
    if (disconnectedAt === null || now - disconnectedAt < SIGNALING.resumeMs) continue;
    const [ended, more] = endNode(next, node, { code: 'mesh/closed', message: 'gone' });
    next = ended;
    outputs.push(...more);
  }
  return [next, outputs];
}

function endNode(registry: Registry, node: NodeId, reason: Reason): RegistryStep {
  const living = registry.nodes.get(node);
  if (!living) return [registry, []];
  const [parted, outputs] = partAll(registry, node);
  const next = { ...parted, nodes: withoutEntry(parted.nodes, node) };
  const { socket } = living;
  if (socket === null) return [next, outputs];
  const sockets = withoutEntry(next.sockets, socket);
  return [{ ...next, sockets }, [...outputs, ...goodbye(socket, reason)]];
}

/** The sockets with `socket` belonging to `node`, and the one before it forgotten. */
function claim(
  registry: Registry,
  claimed: { readonly socket: SocketId; readonly node: NodeId; readonly old: SocketId | null },
): ReadonlyMap<SocketId, SocketEntry> {
  const { socket, node, old } = claimed;
  const sockets = new Map(registry.sockets);
  if (old !== null && old !== socket) sockets.delete(old);
  const entry = sockets.get(socket);
  if (entry) sockets.set(socket, { ...entry, node });
  return sockets;
}

function countOf<V>(map: ReadonlyMap<unknown, V>, test: (value: V) => boolean): number {
  let count = 0;
  for (const value of map.values()) if (test(value)) count += 1;
  return count;
}
