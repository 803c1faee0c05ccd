import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import { encodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import { decodeRequest } from '#lib/ledger/client/wire/requests.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import { readBody } from '../../http/body.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LedgerDesk } from './desk.ts';

/** `POST /ledger/1`: one frame of the client port and its answer (docs/ledger-protocol.md). */
export async function postLedger(parts: GatewayParts, exchange: Exchange): Promise<void> {
  const desk = deskOf(parts);
  const { refusedBodyBytesMax } = parts.config;
  const bodyBytesMax = CLIENT_LIMITS.requestBytesMax;
  const bytes = await readBody(exchange.req, { bodyBytesMax, refusedBodyBytesMax });
  const request = decodeRequest(bytes);
  if (isFault(request)) {
    sendBytes(exchange, MALFORMED);
    return;
  }
  sendBytes(exchange, await desk.ask(request, exchange.req.socket.remoteAddress ?? ''));
}

const MALFORMED = encodeAnswer({
  ...{ tag: 0, type: 'refused', code: 'wire/malformed', retryAfterMs: 0 },
});

/** `GET /ledger/1/genesis`: the file that everything of this chain is verified from. */
export async function getGenesis(parts: GatewayParts, exchange: Exchange): Promise<void> {
  sendBytes(exchange, await deskOf(parts).genesis());
}

function deskOf({ ledger }: GatewayParts): LedgerDesk {
  if (ledger !== null) return ledger;
  throw new FaultError('request/not-found', 'This server runs no ledger.');
}

function sendBytes({ res }: Exchange, bytes: Uint8Array): void {
  res.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': String(bytes.length),
    'cache-control': 'no-store',
  });
  res.end(bytes);
}
