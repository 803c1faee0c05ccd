import { errorBody, retryHeaders, statusOf } from '../errors.ts';
import type { Exchange } from './exchange.ts';

type Headers = Readonly<Record<string, string>>;

export function sendJson(
  { res }: Exchange,
  body: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Headers } = {},
): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'cache-control': 'no-store',
    ...headers,
  });
  res.end(text); // Node leaves the body out of an answer to HEAD.
}

/** The error as its status and body; where headers are out already, the socket is destroyed. */
export function sendError(exchange: Exchange, error: unknown, headers: Headers = {}): void {
  if (exchange.res.headersSent) {
    exchange.res.destroy();
    return;
  }
  sendJson(exchange, errorBody(error), {
    status: statusOf(error),
    headers: { ...headers, ...retryHeaders(error) },
  });
}
