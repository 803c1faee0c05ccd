import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toHex } from '#lib/kernel/bytes.ts';
import type { Clock } from '#lib/kernel/ports.ts';
import type { InstantMs } from '#lib/kernel/units.ts';

/** One request and its response, with what every door needs to know of it. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly url: URL;
  /** `req_` and 32 hex digits; in `x-request-id` and in the log. */
  readonly requestId: string;
  readonly startedAt: InstantMs;
}

export const randomHex = (bytes: number): string => toHex(randomBytes(bytes));

/** `null` where the request's target is not a path. */
export function openExchange(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
): Exchange | null {
  const target = req.url ?? '';
  if (!target.startsWith('/') || !URL.canParse(`http://gateway${target}`)) return null;
  return {
    req,
    res,
    url: new URL(`http://gateway${target}`),
    requestId: `req_${randomHex(16)}`,
    startedAt: clock.now(),
  };
}
