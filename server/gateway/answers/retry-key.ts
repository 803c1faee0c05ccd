import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { badParam } from '../errors.ts';

/**
 * What makes two requests one: who asks again with the same `Idempotency-Key` reads the answer that
 * the first request began, and is not served, nor charged, twice (dialect, 4.8.11).
 */
export interface RetryKey {
  /** Of the key and the caller's credentials: nobody reads another's answer by guessing keys. */
  readonly name: string;
  /** Of what was asked: a key stands for one question. */
  readonly digest: string;
}

const VISIBLE = /^[\x21-\x7e]{1,255}$/;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * @param asked the request as its schema left it.
 * @throws FaultError `request/invalid` for a key that no client makes.
 */
export function retryKey(headers: IncomingHttpHeaders, asked: unknown): RetryKey | null {
  const given = headers['idempotency-key'];
  if (given === undefined) return null;
  if (typeof given !== 'string' || !VISIBLE.test(given)) {
    throw badParam('Idempotency-Key', 'An Idempotency-Key is 1 to 255 visible characters.');
  }
  const name = sha256(`${headers.authorization ?? ''}\n${given}`);
  return { name, digest: sha256(JSON.stringify(asked)) };
}
