import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ReplicaHealth, ReplicaMetrics } from './metrics.ts';
import type { HostPort } from './transport/tls.ts';

export interface OperatorDoorOptions {
  readonly listen: HostPort;
  readonly metrics: ReplicaMetrics;
  readonly health: () => ReplicaHealth;
}

/** `/metrics` and `/healthz`, for who runs the replica: a port that nobody else should reach. */
export async function openOperatorDoor(
  options: OperatorDoorOptions,
): Promise<{ readonly server: Server; readonly port: number }> {
  const { host, port } = options.listen;
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000 },
    (req, res) => answer(options, req, res),
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === 'EADDRINUSE';
      const message = `cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new FaultError(busy ? 'server/port-in-use' : 'server/config', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return { server, port: (server.address() as AddressInfo).port };
}

function answer(
  { metrics, health }: OperatorDoorOptions,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const path = req.url?.split('?', 1)[0];
  if (path !== '/metrics' && path !== '/healthz') {
    res.writeHead(404).end();
    return;
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  res.setHeader('cache-control', 'no-store');
  if (path === '/healthz') {
    const now = health();
    const ok = now.votes && now.hasQuorum;
    res.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ ok, ...now }));
    return;
  }
  metrics.text().then(
    (text) => res.writeHead(200, { 'content-type': metrics.contentType }).end(text),
    () => res.writeHead(500).end(),
  );
}
