import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { FaultError } from '#lib/kernel/errors.ts';
import { NamedBuckets, type Rate } from '#lib/kernel/token-bucket.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { REPLICA_TIMES } from '../limits.ts';
import { ed25519KeyOf, type Identity } from './certificate.ts';

export const REPLICA_PROTOCOL = 'declai-ledger-replica/1';
export const CLIENT_PROTOCOL = 'declai-ledger-client/1';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What both ends of both ports do alike. Keys are compared by us: no authority signs them. */
const COMMON = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', rejectUnauthorized: false } as const;

interface Listening {
  readonly identity: Identity;
  readonly protocol: string;
  /** Ask who comes for a certificate. */
  readonly asksPeer: boolean;
  readonly socketsMax: number;
  /** How often one address may come: whose turn it is not costs no handshake. */
  readonly handshakes: Rate;
  /** The handshake is over and nothing was read. */
  readonly onSocket: (socket: TLSSocket, key: Uint8Array | null) => void;
}

/** @throws FaultError `server/port-in-use`, `server/config`. @returns the server and the port it has. */
export async function listenTls(
  { host, port }: HostPort,
  { identity, protocol, asksPeer, socketsMax, handshakes, onSocket }: Listening,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(
    {
      ...COMMON,
      key: identity.key,
      cert: identity.cert,
      requestCert: asksPeer,
      ALPNProtocols: [protocol],
      handshakeTimeout: REPLICA_TIMES.handshakeMs,
      // No resumption: who comes again proves its key again.
      secureOptions: constants.SSL_OP_NO_TICKET,
    },
    (socket) => {
      socket.on('error', () => socket.destroy());
      if (socket.isSessionReused() || socket.alpnProtocol !== protocol) socket.destroy();
      else onSocket(socket, asksPeer ? ed25519KeyOf(socket.getPeerX509Certificate()) : null);
    },
  );
  server.maxConnections = socketsMax;
  const rates = new NamedBuckets(handshakes);
  server.on('connection', (socket: Socket) => {
    const waitMs = rates.take(socket.remoteAddress ?? '', 1, instantMs(performance.now()));
    if (waitMs > 0) socket.destroy();
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === 'EADDRINUSE';
      const message = busy
        ? `port ${port} is in use: stop the other process, or choose another port`
        : `cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new FaultError(busy ? 'server/port-in-use' : 'server/config', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return { server, port: typeof address === 'object' && address ? address.port : port };
}

interface Dialling {
  readonly protocol: string;
  /** Null: a client, which shows no certificate. */
  readonly identity: Identity | null;
  readonly onSecure: (socket: TLSSocket, key: Uint8Array | null) => void;
  readonly onFailed: () => void;
}

/** One try. `onSecure` comes before anything was read; the other end may still refuse us. */
export function dialTls(
  { host, port }: HostPort,
  { protocol, identity, onSecure, onFailed }: Dialling,
): TLSSocket {
  const socket = connect({
    ...COMMON,
    ...(identity === null ? {} : { key: identity.key, cert: identity.cert }),
    host,
    port,
    ALPNProtocols: [protocol],
  });
  let isOver = false;
  const fail = (): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    socket.destroy();
    onFailed();
  };
  const timer = setTimeout(fail, REPLICA_TIMES.handshakeMs);
  socket.once('close', fail);
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol !== protocol) {
      fail();
      return;
    }
    isOver = true;
    clearTimeout(timer);
    onSecure(socket, ed25519KeyOf(socket.getPeerX509Certificate()));
  });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** `host:port`, IPv6 in brackets; null: neither. */
export function hostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? null : { host, port };
}

export const addressText = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
