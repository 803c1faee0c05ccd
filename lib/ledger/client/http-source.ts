import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { Source } from './source.ts';
import { decodeAnswer } from './wire/answers.ts';
import { encodeRequest } from './wire/requests.ts';

/** Where the client port's frames are exchanged over HTTP. */
export const LEDGER_PATH = '/ledger/1';

const TIMEOUT_MS = 10_000;

/** A gateway, or whatever serves frames by POST at `LEDGER_PATH`. @param origin `https://host:port` */
export function httpSource(origin: string, timeoutMs = TIMEOUT_MS): Source {
  const url = new URL(LEDGER_PATH, origin);
  let last = 0;
  return {
    name: url.origin,
    async ask(question) {
      last = (last + 1) >>> 0;
      const tag = last;
      const body = Uint8Array.from(encodeRequest({ ...question, tag }));
      const answer = decodeAnswer(await exchanged(url, body, timeoutMs));
      if (isFault(answer)) throw answer;
      const isOurs = answer.tag === tag || (answer.tag === 0 && answer.type === 'refused');
      if (!isOurs) throw new FaultError('wire/malformed', `${url.origin} answers another question`);
      return answer;
    },
  };
}

async function exchanged(
  url: URL,
  body: Uint8Array<ArrayBuffer>,
  timeoutMs: number,
): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const headers = { 'content-type': 'application/octet-stream' };
    // A redirect would lead to a place that nobody named.
    const init = { method: 'POST', headers, body, signal, redirect: 'error' } as const;
    const response = await fetch(url, init);
    if (!response.ok) {
      // Nobody reads what comes with it, nor waits for its end.
      await response.body?.cancel();
      throw new FaultError('mesh/refused', `${url.origin} answers with status ${response.status}`);
    }
    return await bounded(response);
  } catch (error) {
    if (isFault(error)) throw error;
    const code = signal.aborted ? 'kernel/timeout' : 'mesh/closed';
    throw new FaultError(code, `${url.origin} cannot be asked`, { cause: error });
  }
}

/** The body, given up as soon as it is longer than any answer. */
async function bounded(response: Response): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    length += value.length;
    if (length > CLIENT_LIMITS.answerBytesMax) {
      await reader?.cancel();
      throw new FaultError('wire/too-large', 'an answer longer than any may be');
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
