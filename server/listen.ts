import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { FaultError } from '#lib/kernel/errors.ts';
import { closeWithConnection, refuseBroken } from './gateway/http/connection.ts';
import type { TlsFiles } from './tls.ts';

/** Slow-loris bounds: a request must be sent within these, and only so many sockets may stand. */
export const HTTP = {
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 15_000,
  socketsMax: 4_000,
} as const;

export function makeHttpServer(tls: TlsFiles | null, listener: RequestListener): Server {
  const timeouts = {
    headersTimeout: HTTP.headersMs,
    requestTimeout: HTTP.requestMs,
    keepAliveTimeout: HTTP.keepAliveMs,
    connectionsCheckingInterval: 2_000,
  };
  const server = tls
    ? createTlsServer({ ...timeouts, cert: tls.cert, key: tls.key }, listener)
    : createServer(timeouts, listener);
  server.prependListener('request', closeWithConnection);
  server.on('clientError', refuseBroken);
  server.maxConnections = HTTP.socketsMax;
  return server;
}

/** The port that was taken. @throws FaultError `server/port-in-use` with the way out. */
export function listen(server: Server, where: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === 'EADDRINUSE';
      const message = busy
        ? `port ${where.port} is in use: stop the other process, or choose another with --port N`
        : `cannot listen on ${where.host}:${where.port}: ${cause.message}`;
      reject(new FaultError(busy ? 'server/port-in-use' : 'server/config', message, { cause }));
    });
    server.listen(where.port, where.host, () => resolve((server.address() as AddressInfo).port));
  });
}
