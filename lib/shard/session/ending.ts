import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { pageDigests } from './prefix.ts';
import {
  holders,
  sendTo,
  update,
  type OwnerState,
  type Outcome,
  type Sender,
  type Turn,
} from './state.ts';

/** Final: every living node of every epoch is told, and no epoch is made after it (S10). */
export function finish(turn: Turn, outcome: Outcome): void {
  if (turn.state.phase.kind === 'done') return;
  const { session } = turn.state.request;
  update(turn, { phase: { kind: 'done', outcome } });
  const pages = lastPages(turn.state);
  const kept = new Set(holders(turn.state).map(({ node }) => node));
  for (const [node, incarnation] of turn.state.everyone) {
    const named = pages && kept.has(node) ? { pages } : {};
    sendTo(turn, { node, incarnation }, { type: 'end', session, ...named });
  }
  turn.out.push({ type: 'done', outcome });
}

/**
 * Names of the pages that became whole since the present epoch began: what its holders computed of
 * accepted ids in this epoch is as good for others as the prompt's. Not of the last id: where it
 * stands a holder may still have the row of a draft that was wrong.
 */
function lastPages({ request, acceptedIds, pages, route }: OwnerState) {
  if (!route || !request.prefix) return null;
  const ids = [...request.promptIds, ...acceptedIds.slice(0, -1)];
  const all = pageDigests(request.prefix, ids, pages);
  return { epoch: route.epoch, digests: all.slice(pages.length) };
}

/** Whatever a node says about a session that has ended is answered with its end (S10). */
export function repeatEnd(turn: Turn, to: Sender, message: StageMessage): void {
  const { session } = turn.state.request;
  const isNamed =
    message.type !== 'resync' || message.sessions.some((entry) => entry.session === session);
  if (isNamed) sendTo(turn, to, { type: 'end', session });
}
