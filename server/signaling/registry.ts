import type { FaultCode } from '#lib/kernel/errors.ts';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { HubEvent } from './hub.ts';

/**
 * Who is here: sockets, nodes with their incarnations, and who was introduced to whom. Immutable;
 * `steps.ts` and `pairs.ts` make the next one. Cryptography is pure and happens inside the steps;
 * randomness (nonces, link ids) comes in with the inputs.
 */
export interface Registry {
  /** Grows with every hello: no two lives of a node share one, across restarts of the server too. */
  readonly lastIncarnation: number;
  readonly sockets: ReadonlyMap<SocketId, SocketEntry>;
  readonly nodes: ReadonlyMap<NodeId, NodeEntry>;
  /** By link id. */
  readonly pairs: ReadonlyMap<string, Pair>;
}

export type SocketId = string;

export interface SocketEntry {
  readonly address: string;
  readonly openedAt: InstantMs;
  readonly origin: string;
  /** Null once answered, rightly or not: a nonce is used once (M2). */
  readonly nonce: string | null;
  readonly node: NodeId | null;
}

export interface NodeEntry {
  readonly identity: IdentityId;
  readonly incarnation: number;
  readonly address: string;
  /** Null while it may still resume. */
  readonly socket: SocketId | null;
  readonly disconnectedAt: InstantMs | null;
  readonly links: ReadonlyMap<NodeId, string>;
  /** Introductions in the minute that began at `since` (M5). */
  readonly introductions: { readonly since: InstantMs; readonly count: number };
}

export interface Pair {
  readonly link: string;
  readonly a: NodeId;
  readonly b: NodeId;
}

export type RegistryOutput =
  | { readonly type: 'send'; readonly socket: SocketId; readonly message: ServerMessage }
  /** After what was sent to it. */
  | { readonly type: 'close'; readonly socket: SocketId }
  | { readonly type: 'event'; readonly event: HubEvent };

export type RegistryStep = readonly [Registry, readonly RegistryOutput[]];

export const emptyRegistry = (lastIncarnation: number): Registry => ({
  lastIncarnation,
  sockets: new Map(),
  nodes: new Map(),
  pairs: new Map(),
});

export const withEntry = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value);

export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map);
  return copy.delete(key) ? copy : map;
}

/** The reason, then the end of the socket. */
export const goodbye = (
  socket: SocketId,
  reason: { readonly code: FaultCode; readonly message: string },
): RegistryOutput[] => [
  { type: 'send', socket, message: { type: 'goodbye', ...reason } },
  { type: 'close', socket },
];

/** The other end of a link that `node` is an end of; null where it is none. */
export function peerOn(registry: Registry, link: string, node: NodeId): NodeId | null {
  const pair = registry.pairs.get(link);
  if (pair?.a === node) return pair.b;
  return pair?.b === node ? pair.a : null;
}

/** The socket of a living incarnation, where it is connected just now. */
export const socketOf = (registry: Registry, node: NodeId): SocketId | null =>
  registry.nodes.get(node)?.socket ?? null;
