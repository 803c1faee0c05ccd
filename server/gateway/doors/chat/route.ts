import type * as z from 'zod/mini';
import type { GatewayParts } from '../../gateway-parts.ts';
import { serveCompletion } from '../../answers/serve.ts';
import { CHAT } from '../../dialects/dialect.ts';
import { badParam } from '../../errors.ts';
import { readJson } from '../../http/body.ts';
import type { Exchange } from '../../http/exchange.ts';
import { toChatMessages } from '../../request/messages.ts';
import { parseBody } from '../../request/parse.ts';
import { formatOf } from '../../request/response-format.ts';
import { refuseUnsupported } from '../../request/unsupported.ts';
import { findModel } from '../models/find.ts';
import type { ModelText } from '../../models/directory.ts';
import { chatSchema, type Messages } from './schema.ts';

/** `POST /v1/chat/completions` */
export async function postChat(parts: GatewayParts, exchange: Exchange): Promise<void> {
  const json = await readJson(exchange.req, parts.config);
  const body = parseBody(chatSchema, json);
  refuseUnsupported(json as object, 'chat');
  const model = findModel(parts, body.model);
  const text = await parts.models.text(model);
  const format = formatOf(body, text);
  const promptIds = body.declai?.resume?.prompt_ids ?? (await readMessages(text, body.messages));
  serveCompletion(parts, exchange, {
    dialect: CHAT,
    model,
    text,
    body,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    promptIds,
    format,
    logprobs: logprobsOf(body),
  });
}

function readMessages(text: ModelText, messages: Messages): Promise<readonly number[]> {
  if (!messages) throw badParam('messages', 'There are no messages.');
  return text.read({ kind: 'chat', messages: toChatMessages(messages) });
}

/** @throws FaultError where alternatives are asked for and log probabilities are not. */
function logprobsOf({ logprobs, top_logprobs: top }: z.infer<typeof chatSchema>): number | null {
  if (logprobs === true) return top ?? 0;
  if (!top) return null;
  throw badParam('top_logprobs', "'top_logprobs' needs 'logprobs' to be true.");
}
