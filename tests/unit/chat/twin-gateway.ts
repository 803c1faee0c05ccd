import type { Attempt } from '#components/chat/answer/attempt.ts';
import type { AnswerDoor, Opened } from '#components/chat/answer/door.ts';
import { readEvent, type StreamEvent } from '#components/chat/answer/wire.ts';

/** An answer as the gateway holds it: token i is `words[i]`. */
export const WORDS = ['The ', 'quick ', 'brown ', '', 'fox ', 'jumps ', 'over ', 'it', '.'];
export const WHOLE = WORDS.join('');

/** What one connection does, in the order of connections; after the last: everything. */
export type Behaviour =
  /** Sends so many tokens, then the connection breaks. */
  | { readonly breakAfter: number }
  | { readonly refuse: { status: number; code: string } }
  | { readonly error: string; readonly after: number }
  | { readonly unreachable: true }
  /** Sends what is no chunk. */
  | { readonly garbage: true }
  /** Sends so many tokens, then nothing until the reader leaves. */
  | { readonly hangAfter: number }
  | { readonly whole: true };

export interface TwinGateway extends AnswerDoor {
  readonly attempts: Attempt[];
  readonly stopped: string[];
}

/** The gateway's twin: holds one answer, serves it from any index, misbehaves as told. */
export function twinGateway(behaviours: readonly Behaviour[]): TwinGateway {
  const attempts: Attempt[] = [];
  const stopped: string[] = [];
  return {
    attempts,
    stopped,
    open(attempt, { answer, signal }): Promise<Opened> {
      const behaviour = behaviours[attempts.length] ?? { whole: true };
      attempts.push(attempt);
      if ('unreachable' in behaviour) return Promise.reject(new TypeError('fetch failed'));
      if ('refuse' in behaviour) {
        const { status, code } = behaviour.refuse;
        const failure = { code, message: '', retryAt: null };
        return Promise.resolve({ type: 'refused', status, failure });
      }
      const from = attempt.type === 'ask' ? 0 : answer.acceptedIds.length;
      return Promise.resolve({ type: 'stream', events: events(behaviour, from, signal) });
    },
    stop(answerId) {
      stopped.push(answerId);
      return Promise.resolve();
    },
  };
}

async function* events(
  behaviour: Behaviour,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  if ('garbage' in behaviour) yield readEvent('{"choices":1}');
  yield chunk({ delta: { role: 'assistant', content: '' } }, { answer: 'a1', index: from });
  let sent = 0;
  for (let index = from; index < WORDS.length; index += 1) {
    if ('breakAfter' in behaviour && sent === behaviour.breakAfter)
      throw new TypeError('terminated');
    if ('hangAfter' in behaviour && sent === behaviour.hangAfter) return aborted(signal);
    if ('error' in behaviour && sent === behaviour.after) {
      yield { type: 'error', code: behaviour.error, message: '' };
      return;
    }
    yield chunk({ delta: { content: WORDS[index] }, token_ids: [index] }, { index });
    sent += 1;
    await Promise.resolve();
  }
  yield chunk({ delta: {}, finish_reason: 'stop' }, { index: WORDS.length });
  yield { type: 'end' };
}

const chunk = (choice: object, declai: object): StreamEvent =>
  readEvent(JSON.stringify({ choices: [choice], prompt_token_ids: [1, 2], declai }));

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new DOMException('aborted', 'AbortError'));
    });
  });
