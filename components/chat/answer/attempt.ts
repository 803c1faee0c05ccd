import { CHAT } from '../limits.ts';
import type { AnswerState } from './state.ts';

/** How the next connection of an answer begins. */
export type Attempt =
  /** Nothing was seen yet: the question itself. */
  | { readonly type: 'ask' }
  /** The gateway holds it: `GET /api/answers/{id}?from=`. */
  | { readonly type: 'read-on'; readonly answerId: string; readonly from: number }
  /** The gateway is gone: a new session from prompt and accepted ids (S13). */
  | { readonly type: 'resume' };

export function planAttempt(answer: AnswerState): Attempt {
  const from = answer.acceptedIds.length;
  if (answer.answerId !== null) return { type: 'read-on', answerId: answer.answerId, from };
  return from > 0 && answer.promptIds.length > 0 ? { type: 'resume' } : { type: 'ask' };
}

/** Wait before connection number `broken` + 1, ms; null: give up. Doubles, since outages vary. */
export function reconnectDelayMs(broken: number): number | null {
  if (broken > CHAT.reconnectsMax) return null;
  const delay = CHAT.reconnectFirstDelayMs * 2 ** Math.max(0, broken - 1);
  return Math.min(delay, CHAT.reconnectDelayMsMax);
}
