import type { NodeId } from '#lib/kernel/ids.ts';
import type { HeldPlace, OwnerState, Route } from './state.ts';

export type Culprit =
  | { readonly kind: 'link'; readonly pair: readonly [NodeId, NodeId] }
  | { readonly kind: 'node'; readonly holder: HeldPlace };

/**
 * Who holds a session up, by what the pongs say (V1): rows sent by a place and not taken by the
 * next lie with the link; rows taken and not sent lie with the node. Null where it cannot be told.
 */
export function findCulprit(state: OwnerState): Culprit | null {
  const { route, phase } = state;
  if (!route) return null;
  // Who says nothing of itself while the others have: its worker hangs, or its load does.
  const silent = route.reports.indexOf(null);
  if (silent >= 0) return blameNode(route, silent);
  return phase.kind === 'decoding' ? whileDecoding(route) : whileFilling(route);
}

/** One token goes round: whoever has it holds it up. */
function whileDecoding(route: Route): Culprit | null {
  for (let at = 0; at < route.places.length; at += 1) {
    const culprit = decoding(route, at);
    if (culprit) return culprit;
  }
  return null;
}

function decoding(route: Route, at: number): Culprit | null {
  const own = route.progress.get(at);
  // Its worker did not get as far as taking the order: a pong without a word of this epoch.
  if (!own) return blameNode(route, at);
  if (at === 0 && own.taken <= route.resumeAt) return blameNode(route, at);
  const upstream = (at + route.places.length - 1) % route.places.length;
  const sent = route.progress.get(upstream)?.sent ?? 0;
  if (upstream !== at && sent > own.taken) return blameLink(route, upstream, at);
  const last = at === route.places.length - 1;
  // The last place answers rows up to position p with the token at p: one further.
  const isWaiting = own.taken > route.resumeAt && own.taken + (last ? 1 : 0) > own.sent;
  return isWaiting ? blameNode(route, at) : null;
}

/**
 * Seen from the last place up, for a place may also stand still because the next one takes no more
 * (S12): whoever is reached here is not held up from below.
 */
function whileFilling(route: Route): Culprit | null {
  for (let at = route.places.length - 1; at >= 0; at -= 1) {
    const own = route.progress.get(at);
    const kvLength = lengthOf(route, at);
    if (kvLength >= route.resumeAt) continue;
    // It took rows and did not compute them; stage 0 has its ids from the start.
    if (!own || own.taken > kvLength || at === 0) return blameNode(route, at);
    const sent = route.progress.get(at - 1)?.sent ?? 0;
    const ready = lengthOf(route, at - 1);
    // Lost on the way here; or the upstream has more, and the chunk acks were lost on the way back.
    if (sent > own.taken || ready > sent) return blameLink(route, at - 1, at);
  }
  return null;
}

/** What a place held before its fill told it to start below that is gone: what it reached since counts. */
const lengthOf = ({ reports, reached }: Route, at: number): number =>
  Math.min(reports[at]?.kvLength ?? 0, reached[at] ?? 0);

const blameNode = (route: Route, at: number): Culprit | null => {
  const holder = route.places[at];
  return holder ? { kind: 'node', holder } : null;
};

/** Hops of one node have no link; there the taker does not work. */
function blameLink(route: Route, from: number, to: number): Culprit | null {
  const [a, b] = [route.places[from], route.places[to]];
  if (!a || !b) return null;
  return a.node === b.node ? { kind: 'node', holder: b } : { kind: 'link', pair: [a.node, b.node] };
}
