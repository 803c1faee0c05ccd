import type { NodeId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import { SIGNALING } from './limits.ts';
import {
  socketOf,
  withEntry,
  withoutEntry,
  type NodeEntry,
  type Registry,
  type RegistryOutput,
  type RegistryStep,
} from './registry.ts';

/** Steps of introductions: who may signal and relay to whom (M3, M5). */

export interface Introduction {
  readonly a: NodeId;
  readonly b: NodeId;
  /** 16 random bytes in hex: a signature for one link fits no other. */
  readonly link: string;
  readonly relayOnly: boolean;
}

/**
 * Both get the new link's id; `a` makes the offer. Replaces their earlier link. Nothing happens
 * where one is not connected just now, or was introduced too often in this minute.
 */
export function introduce(registry: Registry, input: Introduction, now: InstantMs): RegistryStep {
  const { a, b, link, relayOnly } = input;
  const socketA = socketOf(registry, a);
  const socketB = socketOf(registry, b);
  if (a === b || !socketA || !socketB) return [registry, []];
  const [without] = dropPair(registry, a, b);
  const entryA = counted(without.nodes.get(a), now);
  const entryB = counted(without.nodes.get(b), now);
  if (!entryA || !entryB) return [registry, []];
  const nodes = new Map(without.nodes)
    .set(a, { ...entryA, links: withEntry(entryA.links, b, link) })
    .set(b, { ...entryB, links: withEntry(entryB.links, a, link) });
  const pairs = withEntry(without.pairs, link, { link, a, b });
  const about = { type: 'introduce', link, relayOnly } as const;
  return [
    { ...without, nodes, pairs },
    [
      { type: 'send', socket: socketA, message: { ...about, peer: b, initiator: true } },
      { type: 'send', socket: socketB, message: { ...about, peer: a, initiator: false } },
    ],
  ];
}

/** Ends the link of two nodes and tells both. */
export function part(registry: Registry, a: NodeId, b: NodeId): RegistryStep {
  const [next, link] = dropPair(registry, a, b);
  if (link === null) return [registry, []];
  return [
    next,
    [...tellParted(next, a, { peer: b, link }), ...tellParted(next, b, { peer: a, link })],
  ];
}

/** One end says that the link is closed: the other may not have seen it (a relay has no wire). */
export function linkClosed(
  registry: Registry,
  node: NodeId,
  closed: { readonly peer: NodeId; readonly link: string },
): RegistryStep {
  if (registry.nodes.get(node)?.links.get(closed.peer) !== closed.link) return [registry, []];
  const [next] = dropPair(registry, node, closed.peer);
  return [next, tellParted(next, closed.peer, { peer: node, link: closed.link })];
}

/** Ends every link of a node whose incarnation is over, and tells the peers. */
export function partAll(registry: Registry, node: NodeId): RegistryStep {
  let next = registry;
  const outputs: RegistryOutput[] = [];
  for (const [peer, link] of registry.nodes.get(node)?.links ?? []) {
    [next] = dropPair(next, node, peer);
    outputs.push(...tellParted(next, peer, { peer: node, link }));
  }
  return [next, outputs];
}

function dropPair(
  registry: Registry,
  a: NodeId,
  b: NodeId,
): readonly [Registry, link: string | null] {
  const entryA = registry.nodes.get(a);
  const entryB = registry.nodes.get(b);
  const link = entryA?.links.get(b);
  if (!entryA || !entryB || link === undefined) return [registry, null];
  const nodes = new Map(registry.nodes)
    .set(a, { ...entryA, links: withoutEntry(entryA.links, b) })
    .set(b, { ...entryB, links: withoutEntry(entryB.links, a) });
  return [{ ...registry, nodes, pairs: withoutEntry(registry.pairs, link) }, link];
}

function tellParted(
  registry: Registry,
  node: NodeId,
  parted: { readonly peer: NodeId; readonly link: string },
): RegistryOutput[] {
  const socket = socketOf(registry, node);
  return socket ? [{ type: 'send', socket, message: { type: 'part', ...parted } }] : [];
}

/** The entry with one introduction more; null where the minute is full. */
function counted(entry: NodeEntry | undefined, now: InstantMs): NodeEntry | null {
  if (!entry) return null;
  const { since, count } = entry.introductions;
  if (now - since >= 60_000) return { ...entry, introductions: { since: now, count: 1 } };
  if (count >= SIGNALING.introductionsPerMinuteMax) return null;
  return { ...entry, introductions: { since, count: count + 1 } };
}
