import { LIMITS } from './limits.ts';
import { propose } from './propose.ts';
import { memberId, met, primaryOf, send, update, type Pending, type Turn } from './state.ts';
import type { Link } from './types.ts';

const nameOf = (link: Link): string => `${link.kind}/${link.id}`;

/** A client's bytes, from itself or relayed by a backup. */
export function onRequest(turn: Turn, request: Uint8Array, link: Link): void {
  const { env, pending, head } = turn.state;
  const name = nameOf(link);
  let fromLink = 0;
  for (const each of pending.values()) if (each.link === name) fromLink += 1;
  if (pending.size >= LIMITS.pendingMax || fromLink >= LIMITS.pendingPerLinkMax) return;
  // The door first: a signature is verified only for a key that is known.
  const door = { wallMs: turn.now.wallMs, isRelayed: link.kind === 'replica' };
  if (!env.application.admits(head.app, request, door)) return;
  const id = env.application.checkRequest(request);
  if (id === null || pending.has(id)) return;
  const added: Pending = { id, request, link: name, at: turn.now.atMs, isRelayed: false };
  update(turn, { pending: new Map(pending).set(id, added) });
  propose(turn);
}

/** After a transfer: what the blocks we did not see executed waits no longer. */
export function admitAgain(turn: Turn): void {
  const { env, head, pending } = turn.state;
  const door = { wallMs: turn.now.wallMs, isRelayed: true };
  const kept = [...pending].filter(([, { request }]) =>
    env.application.admits(head.app, request, door),
  );
  update(turn, { pending: new Map(kept) });
}

/** Half of the patience is over: the primary may not have heard of it at all. */
export function relayOld(turn: Turn, olderThanMs: number): void {
  const { state } = turn;
  const primary = primaryOf(state, state.view);
  if (primary === state.self || state.phase.kind !== 'active') return;
  const old = [...state.pending.values()].filter(
    ({ at, isRelayed }) => !isRelayed && turn.now.atMs - at >= olderThanMs,
  );
  if (old.length === 0) return;
  met(turn, 'R12 a request is passed on to the primary');
  const to = { id: memberId(state, primary) };
  for (const { request } of old) send(turn, to, { type: 'request', request });
  const pending = new Map(state.pending);
  for (const each of old) pending.set(each.id, { ...each, isRelayed: true });
  update(turn, { pending });
}
