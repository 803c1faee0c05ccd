import { sendError, sendJson } from '../http/respond.ts';
import type { Exchange } from '../http/exchange.ts';
import type { GatewayConfig } from '../limits.ts';
import { wholeAnswer, type AnswerSource } from './chunks.ts';

export interface PlainOptions {
  readonly config: Pick<GatewayConfig, 'keepAliveMs' | 'plainCommitMs'>;
  /** Made when headers go out. */
  readonly headers: () => Readonly<Record<string, string>>;
}

/**
 * Answers with one JSON object when the answer has ended. A long one commits to status 200 after
 * `plainCommitMs` and sends white space, which JSON allows before a value; if it is lost after
 * that the socket is destroyed, never ended.
 */
export function plainAnswer(
  exchange: Exchange,
  source: AnswerSource,
  { config, headers }: PlainOptions,
): void {
  const { res } = exchange;
  const { choices } = source;
  const commit = () => {
    if (!res.headersSent) res.writeHead(200, { 'content-type': 'application/json', ...headers() });
    res.write(' ');
    silence = setTimeout(commit, config.keepAliveMs);
  };
  let silence = setTimeout(commit, config.plainCommitMs);

  const settle = () => {
    const { ending } = choices;
    if (!ending || res.writableEnded) return;
    if (ending.kind === 'failed') {
      sendError(exchange, ending.fault, headers());
      return;
    }
    const body = wholeAnswer(source);
    if (res.headersSent) res.end(JSON.stringify(body));
    else sendJson(exchange, body, { headers: headers() });
  };

  const unwatch = choices.watch(settle);
  res.on('close', () => {
    unwatch();
    clearTimeout(silence);
  });
  settle();
}
