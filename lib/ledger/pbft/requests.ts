import { LIMITS } from './limits.ts';
import { PendingRequests, type Pending } from './pending.ts';
import { propose } from './propose.ts';
import { memberId, met, primaryOf, send, update, type Turn } from './state.ts';
import type { Link } from './types.ts';

const nameOf = (link: Link): string => `${link.kind}/${link.id}`;

/** A client's bytes, from itself or relayed by a backup. */
export function onRequest(turn: Turn, request: Uint8Array, link: Link): void {
  const { env, pending, head } = turn.state;
  const name = nameOf(link);
  if (pending.size >= LIMITS.pendingMax) return;
  if (pending.countOf(name) >= LIMITS.pendingPerLinkMax) return;
  // The door first: a signature is verified only for a key that is known.
  const door = { wallMs: turn.now.wallMs, isRelayed: link.kind === 'replica' };
  if (!env.application.admits(head.app, request, door)) return;
  const id = env.application.checkRequest(request);
  if (id === null || pending.has(id)) return;
  const added = { id, request, link: name, at: turn.now.atMs, isRelayed: false };
  update(turn, { pending: pending.with(added) });
  propose(turn);
}

/** After a transfer: what the blocks we did not see executed waits no longer. */
export function admitAgain(turn: Turn): void {
  const { env, head, pending } = turn.state;
  const door = { wallMs: turn.now.wallMs, isRelayed: true };
  const kept = [...pending].filter(({ request }) =>
    env.application.admits(head.app, request, door),
  );
  update(turn, { pending: PendingRequests.of(kept) });
}

/** Half of the patience is over: the primary may not have heard of it at all. */
export function relayOld(turn: Turn, olderThanMs: number): void {
  const { state } = turn;
  const primary = primaryOf(state, state.view);
  if (primary === state.self || state.phase.kind !== 'active') return;
  const isOld = ({ at, isRelayed }: Pending): boolean =>
    !isRelayed && turn.now.atMs - at >= olderThanMs;
  const all = [...state.pending];
  const old = all.filter(isOld);
  if (old.length === 0) return;
  met(turn, 'R12 a request is passed on to the primary');
  const to = { id: memberId(state, primary) };
  for (const { request } of old) send(turn, to, { type: 'request', request });
  const pending = all.map((each) => (isOld(each) ? { ...each, isRelayed: true } : each));
  update(turn, { pending: PendingRequests.of(pending) });
}
