import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FaultError } from '#lib/kernel/errors.ts';
import { errorBody, statusOf } from '../errors.ts';

/** What happens to connections beside well-formed requests; hung on the server by `makeHttpServer`. */

/** Responses of a connection that have not ended, in order of their requests. */
const unfinished = new WeakMap<Duplex, Set<ServerResponse>>();

/**
 * Closes a response with its connection. Node does so only for the one that holds the socket: those
 * behind it (pipelining) would never learn that their client has gone, and work on for nobody.
 */
export function closeWithConnection({ socket }: IncomingMessage, res: ServerResponse): void {
  const responses = unfinished.get(socket) ?? trackConnection(socket);
  responses.add(res);
  res.once('close', () => responses.delete(res));
}

function trackConnection(socket: Socket): Set<ServerResponse> {
  const responses = new Set<ServerResponse>();
  unfinished.set(socket, responses);
  socket.once('close', () => {
    for (const res of responses) {
      // The one that holds the socket gets its event from Node.
      if (res.socket) continue;
      res.destroy();
      res.emit('close');
    }
  });
  return responses;
}

/**
 * Answers what is not HTTP, is too large a head, or came too slowly, as every other refusal is
 * answered. On a connection where an answer is under way there is no place for it: that is cut.
 */
export function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  const responses = [...(unfinished.get(socket) ?? [])];
  if (!socket.writable || responses.some((res) => res.headersSent)) socket.destroy();
  else refuse(socket, faultOf(error));
}

/** Refuses every wish for another protocol but those on `paths`: Node leaves such a socket open for ever. */
export function refuseUpgrades(server: Server, paths: readonly string[]): void {
  const fault = new FaultError('request/invalid', 'No other protocol is spoken here.');
  server.on('upgrade', ({ url = '' }: IncomingMessage, socket: Duplex) => {
    if (!paths.some((path) => url.startsWith(path))) refuse(socket, fault);
  });
}

function refuse(socket: Duplex, fault: FaultError): void {
  const body = JSON.stringify(errorBody(fault));
  const status = statusOf(fault);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** By Node's code of the parser's or the server's complaint. */
function faultOf(cause: NodeJS.ErrnoException): FaultError {
  switch (cause.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new FaultError('request/timeout', 'The request came too slowly.', { cause });
    case 'HPE_HEADER_OVERFLOW':
      return new FaultError('request/head-too-large', 'The headers are too large.', { cause });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new FaultError('request/too-large', 'The chunk extensions are too large.', { cause });
    default:
      return new FaultError('request/invalid', 'The request is not HTTP.', { cause });
  }
}
