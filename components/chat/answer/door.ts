import { CHAT } from '../limits.ts';
import type { Attempt } from './attempt.ts';
import { requestBody, type Ask } from './request.ts';
import { createSseParser } from './sse.ts';
import type { AnswerState, Failure } from './state.ts';
import { readEvent, readRefusal, type StreamEvent } from './wire.ts';

export type Opened =
  | { readonly type: 'stream'; readonly events: AsyncIterable<StreamEvent> }
  | { readonly type: 'refused'; readonly status: number; readonly failure: Failure };

/** The gateway, as an answer sees it. Rejects where the network fails, and only then. */
export interface AnswerDoor {
  open(
    attempt: Attempt,
    request: { ask: Ask; answer: AnswerState; signal: AbortSignal },
  ): Promise<Opened>;
  /** An explicit stop: a hang-up alone would leave a resumable answer running. */
  stop(answerId: string): Promise<void>;
}

/** The gateway of this origin, by fetch. `clock`: milliseconds since the epoch. */
export function httpDoor(clock: () => number): AnswerDoor {
  return {
    async open(attempt, { ask, answer, signal }) {
      const [path, init] = requestOf(attempt, ask, answer);
      const response = await fetch(path, { ...init, signal, cache: 'no-store' });
      if (!response.ok || !response.body) return refusal(response, clock());
      return { type: 'stream', events: eventsOf(response.body) };
    },
    async stop(answerId) {
      await fetch(answerPath(answerId), { method: 'DELETE', keepalive: true });
    },
  };
}

const answerPath = (answerId: string): string => `/api/answers/${encodeURIComponent(answerId)}`;

function requestOf(attempt: Attempt, ask: Ask, answer: AnswerState): [string, RequestInit] {
  if (attempt.type === 'read-on') {
    return [`${answerPath(attempt.answerId)}?from=${String(attempt.from)}`, { method: 'GET' }];
  }
  const body = JSON.stringify(requestBody(ask, answer, attempt.type === 'resume'));
  const headers = { 'content-type': 'application/json' };
  return ['/v1/chat/completions', { method: 'POST', headers, body }];
}

async function refusal(response: Response, now: number): Promise<Opened> {
  const { code, message } = readRefusal(await response.text(), response.status);
  const seconds = Number(response.headers.get('retry-after'));
  const retryAt = Number.isFinite(seconds) && seconds > 0 ? now + seconds * 1_000 : null;
  return { type: 'refused', status: response.status, failure: { code, message, retryAt } };
}

async function* eventsOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<StreamEvent> {
  const parser = createSseParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await soon(reader.read());
      if (done) return;
      for (const data of parser.push(value)) yield readEvent(data);
    }
  } finally {
    // The reader left or the data was bad: the connection must not stay open behind it.
    void reader.cancel().catch(() => undefined);
  }
}

/** @throws Error where nothing comes: the gateway breaks every silence, so the way to it is gone. */
async function soon<T>(reading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the connection is silent')), CHAT.silenceMsMax);
  });
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
  }
}
