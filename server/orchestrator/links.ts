import { instantMs, later } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { pairKey, sameRange, type NodePair } from '#lib/shard/placement/core.ts';
import type { LinkRate, NodeMessage } from '#lib/shard/wire/node-messages.ts';
import { isOpen } from './cluster.ts';
import { update, type Turn } from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import type { LinkRecord, NodeRecord, OrchestratorState } from './state.ts';

/** Which nodes are linked: introduced when wanted, again when a link breaks. */

const setLink = (turn: Turn, link: LinkRecord): void =>
  update(turn, { links: new Map(turn.state.links).set(pairKey(link.a, link.b), link) });

export function onLinkMessage(
  turn: Turn,
  node: NodeRecord,
  message: Extract<NodeMessage, { type: 'link' }>,
): void {
  const link = turn.state.links.get(pairKey(node.id, message.peer));
  if (!link) return;
  const { path, rttMs } = message;
  if (message.state === 'open') {
    const openAt = [...new Set([...link.openAt, node.id])];
    const opened = { ...link, openAt, path, rttMs: rttMs ?? link.rttMs };
    setLink(turn, isOpen(opened) ? { ...opened, tries: 0 } : opened);
    if (isOpen(opened) && !isOpen(link)) turn.wake = true;
    return;
  }
  const closed = link.openAt.length > 0;
  const waitMs = closed ? ORCHESTRATOR.linkRetryFirstMs : backoffMs(link.tries);
  setLink(turn, { ...link, openAt: [], rates: new Map(), retryAt: later(turn.now, waitMs) });
}

/** How fast its links are, by its own word; what it no longer says is not known any more. */
export function onLinkRates(turn: Turn, node: NodeRecord, rates: readonly LinkRate[]): void {
  const told = new Map(rates.map(({ peer, bytesPerMs }) => [peer, bytesPerMs]));
  for (const link of turn.state.links.values()) {
    if (link.a !== node.id && link.b !== node.id) continue;
    const rate = told.get(link.a === node.id ? link.b : link.a);
    if (rate === link.rates.get(node.id)) continue;
    const others = [...link.rates].filter(([from]) => from !== node.id);
    const own = rate === undefined ? [] : [[node.id, rate] as const];
    setLink(turn, { ...link, rates: new Map([...others, ...own]) });
  }
}

/** The direct path of these pairs lost frames: a new link by relay, at once (V1, M6). */
export function relayPairs(turn: Turn, pairs: readonly NodePair[]): void {
  for (const [a, b] of pairs) {
    const link = turn.state.links.get(pairKey(a, b));
    if (!link?.relayOnly) introduce(turn, { ...(link ?? freshLink(a, b)), relayOnly: true });
  }
}

export function dropLinks(turn: Turn, node: NodeId): void {
  const links = [...turn.state.links].filter(([, { a, b }]) => a !== node && b !== node);
  if (links.length < turn.state.links.size) update(turn, { links: new Map(links) });
}

const freshLink = (a: NodeId, b: NodeId): LinkRecord => ({
  a,
  b,
  openAt: [],
  path: 'direct',
  rttMs: null,
  rates: new Map(),
  relayOnly: false,
  tries: 0,
  retryAt: instantMs(0),
});

function introduce(turn: Turn, link: LinkRecord): void {
  const { a, b, relayOnly, tries } = link;
  const retryAt = later(turn.now, ORCHESTRATOR.linkOpenMs + backoffMs(tries));
  setLink(turn, { ...link, openAt: [], rates: new Map(), tries: tries + 1, retryAt });
  turn.out.push({ type: 'introduce', a, b, relayOnly });
}

const backoffMs = (tries: number): number =>
  Math.min(ORCHESTRATOR.linkRetryFirstMs * 2 ** Math.min(tries, 16), ORCHESTRATOR.linkRetryMsMax);

/** Introduces what is wanted and not open; parts what nobody needs any more. */
export function tendLinks(turn: Turn): void {
  const { state } = turn;
  const wanted = wantedPairs(state);
  for (const [key, [a, b]] of wanted) {
    const link = state.links.get(key) ?? freshLink(a, b);
    const reachable = [a, b].every((id) => state.nodes.get(id)?.closedAt === null);
    if (reachable && !isOpen(link) && turn.now >= link.retryAt) introduce(turn, link);
  }
  for (const [key, { a, b }] of state.links) {
    if (wanted.has(key) || inUse(state, a, b)) continue;
    turn.out.push({ type: 'part', a, b });
    const links = new Map(turn.state.links);
    links.delete(key);
    update(turn, { links });
  }
}

/** Everybody with everybody in small clusters; else who serves neighbouring stages of the ring. */
function wantedPairs(state: OrchestratorState): Map<string, NodePair> {
  const members = [...state.nodes.values()].filter(
    ({ standing, range }) =>
      range !== null && (standing.kind === 'working' || standing.kind === 'finishing'),
  );
  const pairs = new Map<string, NodePair>();
  const degree = new Map<NodeId, number>();
  const want = (a: NodeRecord, b: NodeRecord): void => {
    const [x = 0, y = 0] = [degree.get(a.id), degree.get(b.id)];
    const key = pairKey(a.id, b.id);
    const full = Math.max(x, y) >= ORCHESTRATOR.linksPerNodeMax;
    if (a.id === b.id || pairs.has(key) || full) return;
    pairs.set(key, [a.id, b.id]);
    degree.set(a.id, x + 1).set(b.id, y + 1);
  };
  if (members.length <= ORCHESTRATOR.fullMeshMax) {
    members.forEach((a, i) => {
      members.slice(i + 1).forEach((b) => {
        want(a, b);
      });
    });
    return pairs;
  }
  const { stages } = state;
  const servers = stages.map((stage) =>
    members.filter((node) => sameRange(node.range, stage) || sameRange(node.takeOver, stage)),
  );
  servers.forEach((here, i) => {
    const next = servers[(i + 1) % servers.length] ?? [];
    if (servers.length > 1) here.forEach((a) => next.forEach((b) => want(a, b)));
  });
  return pairs;
}

/** Neighbours in the route of a running session, in either direction. */
export function inUse(state: OrchestratorState, a: NodeId, b: NodeId): boolean {
  for (const { plan } of state.sessions.values()) {
    const places = plan?.places ?? [];
    for (const [at, { node }] of places.entries()) {
      const next = places[(at + 1) % places.length]?.node;
      if ((node === a && next === b) || (node === b && next === a)) return true;
    }
  }
  return false;
}
