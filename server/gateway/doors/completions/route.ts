import type { GatewayParts } from '../../gateway-parts.ts';
import { serveCompletion } from '../../answers/serve.ts';
import { COMPLETIONS } from '../../dialects/dialect.ts';
import { readJson } from '../../http/body.ts';
import type { Exchange } from '../../http/exchange.ts';
import { parseBody } from '../../request/parse.ts';
import { formatOf } from '../../request/response-format.ts';
import { refuseUnsupported } from '../../request/unsupported.ts';
import { findModel } from '../models/find.ts';
import { completionsSchema, onePrompt } from './schema.ts';

/** `POST /v1/completions` */
export async function postCompletions(parts: GatewayParts, exchange: Exchange): Promise<void> {
  const json = await readJson(exchange.req, parts.config);
  const body = parseBody(completionsSchema, json);
  refuseUnsupported(json as object, 'completions');
  const model = findModel(parts, body.model);
  const text = await parts.models.text(model);
  const format = formatOf(body, text);
  const prompt = body.declai?.resume?.prompt_ids ?? onePrompt(body.prompt ?? '');
  const promptIds =
    typeof prompt === 'string' ? await text.read({ kind: 'text', text: prompt }) : prompt;
  serveCompletion(parts, exchange, {
    dialect: COMPLETIONS,
    model,
    text,
    body,
    maxTokens: body.max_tokens ?? null,
    promptIds,
    format,
    logprobs: body.logprobs ?? null,
  });
}
