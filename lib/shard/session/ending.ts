import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { sendTo, update, type Outcome, type Sender, type Turn } from './state.ts';

/** Final: every living node of every epoch is told, and no epoch is made after it (S10). */
export function finish(turn: Turn, outcome: Outcome): void {
  if (turn.state.phase.kind === 'done') return;
  const { session } = turn.state.request;
  update(turn, { phase: { kind: 'done', outcome } });
  for (const [node, incarnation] of turn.state.everyone) {
    sendTo(turn, { node, incarnation }, { type: 'end', session });
  }
  turn.out.push({ type: 'done', outcome });
}

/** Whatever a node says about a session that has ended is answered with its end (S10). */
export function repeatEnd(turn: Turn, to: Sender, message: StageMessage): void {
  const { session } = turn.state.request;
  const isNamed =
    message.type !== 'resync' || message.sessions.some((entry) => entry.session === session);
  if (isNamed) sendTo(turn, to, { type: 'end', session });
}
