import type { ManifestHash, SessionId } from '#lib/kernel/ids.ts';
import type { GrammarRef } from '../types.ts';
import { fault, isLast, type Session, type Turn } from './state.ts';

/** What the answer of a session has to fit, where this node is told; only the last place is (S8). */
export function grammarOf({ prepare }: Session): GrammarRef | null {
  if (prepare.grammar === null) return null;
  return { manifest: prepare.manifest as ManifestHash, schema: prepare.grammar };
}

/** No id may be sampled yet. Rows below L are computed meanwhile. */
export const lacksGrammar = ({ prepare, grammar }: Session): boolean =>
  prepare.grammar !== null && grammar !== 'ready';

/** Asks the shell once; a session's grammar is the same in every epoch. */
export function wantGrammar(turn: Turn, session: Session): void {
  const grammar = grammarOf(session);
  if (!grammar || session.grammar !== 'none') return;
  session.grammar = 'wanted';
  turn.out.push({ type: 'grammar', session: session.id, grammar });
}

export function onGrammarReady(turn: Turn, id: SessionId): void {
  const session = turn.core.sessions.get(id);
  if (session) session.grammar = 'ready';
}

/** As a shard that cannot be loaded: the next `prepare` asks again, if the owner sends one (S4). */
export function onGrammarFailed(turn: Turn, id: SessionId): void {
  const session = turn.core.sessions.get(id);
  if (!session) return;
  session.grammar = 'none';
  for (const seat of session.seats) if (isLast(seat)) fault(turn, seat, 'load');
}
