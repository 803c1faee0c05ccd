import { FaultError } from '#lib/kernel/errors.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import { serveAnswer } from '../../answers/serve.ts';
import type { AnswerSource } from '../../answers/chunks.ts';
import { badParam } from '../../errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/respond.ts';
import { fromSchema } from './schema.ts';

/** `GET /api/answers/{id}?from=INDEX`: reads on from that token, in the dialect it was asked in. */
export function getAnswer(parts: GatewayParts, exchange: Exchange, id: string): void {
  findAnswer(parts, id);
  const from = fromSchema.safeParse(exchange.url.searchParams.get('from') ?? '0');
  if (!from.success) throw badParam('from', 'from must be the index of a token: 0, 1, 2 …');
  serveAnswer(parts, exchange, { id, from: Number(from.data), streamed: true });
}

/** `DELETE /api/answers/{id}`: Stop. The nodes are free within a second (S10). */
export function deleteAnswer(parts: GatewayParts, exchange: Exchange, id: string): void {
  const { choices } = findAnswer(parts, id);
  const stopped = choices.ending === null;
  parts.store.drop(id);
  sendJson(exchange, { id, object: 'answer', stopped, tokens: choices.tokens });
}

function findAnswer({ store }: GatewayParts, id: string): AnswerSource {
  const source = store.find(id);
  if (!source)
    throw new FaultError('request/not-found', 'No such answer: it has ended or never was.');
  return source;
}
