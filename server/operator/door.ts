import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OperatorMetrics } from './metrics.ts';

/**
 * `GET /metrics`; false where the request is for somebody else. The path is compared as it came: a
 * proxy that keeps `/metrics` to itself must not be passed by another spelling of it.
 */
export function serveMetrics(
  metrics: OperatorMetrics,
  req: IncomingMessage,
  res: ServerResponse,
): boolean {
  if (req.url?.split('?', 1)[0] !== '/metrics') return false;
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { allow: 'GET, HEAD' }).end();
    return true;
  }
  metrics.text().then(
    (text) => {
      res.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' });
      res.end(text);
    },
    () => res.writeHead(500).end(),
  );
  return true;
}
