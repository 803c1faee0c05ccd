import type { GatewayParts } from '../../gateway-parts.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/respond.ts';

/** `GET /healthz`: the process answers. Whether an answer could start is in `/api/status`. */
export function getHealth(_parts: GatewayParts, exchange: Exchange): void {
  sendJson(exchange, { status: 'ok' });
}
