import { errorBody } from '../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { GatewayConfig } from '../limits.ts';
import { answerChunks, type AnswerSource } from './chunks.ts';
import type { Ending } from './record.ts';

export interface StreamOptions {
  readonly from: number;
  readonly config: Pick<GatewayConfig, 'keepAliveMs' | 'readerStallMs'>;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Writes an answer as server-sent events until it has ended or the reader is gone.
 * Headers go out at once. The reader pulls: nothing is written while its socket is full, and one
 * that stays full is cut, so at most the socket's buffer and one chunk are held for it (S12).
 */
export function streamAnswer(
  { res }: Exchange,
  source: AnswerSource,
  { from, config, headers }: StreamOptions,
): void {
  const { facts, choices } = source;
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    ...headers,
  });
  res.flushHeaders();

  const chunks = answerChunks(source, from);
  let stall: NodeJS.Timeout | undefined;
  const cutWhenStalled = () => (stall ??= setTimeout(() => res.destroy(), config.readerStallMs));
  const write = (text: string) => {
    if (!res.write(text)) cutWhenStalled();
    silence.refresh();
  };
  const silence = setInterval(() => {
    if (!res.writableNeedDrain) write(comment(choices.queuePosition));
  }, config.keepAliveMs);

  let over = false;
  const end = (ending: Ending) => {
    over = true;
    const lines = lastLines(ending);
    // S13: a server that ends tells why and resets; who keeps the answer's ids goes on elsewhere,
    // and would take a told error for the answer's end.
    if (!isStopped(ending)) res.end(lines);
    else if (facts.resumableMs > 0) res.destroy();
    else res.write(lines, () => res.destroy());
    cutWhenStalled();
  };

  const pump = () => {
    while (!over && !res.writableNeedDrain) {
      const { value, done } = chunks.next();
      if (done) {
        end(value);
        return;
      }
      if (!value) return;
      write(`data: ${JSON.stringify(value)}\n\n`);
    }
  };

  const unwatch = choices.watch(pump);
  res.on('drain', () => {
    clearTimeout(stall);
    stall = undefined;
    pump();
  });
  res.on('close', () => {
    unwatch();
    clearTimeout(stall);
    clearInterval(silence);
  });
  pump();
}

const isStopped = (ending: Ending): boolean =>
  ending.kind === 'failed' && ending.fault.code === 'server/stopping';

/** Nothing follows `[DONE]`; a lost answer ends with an error and without it (dialect, 4.9). */
const lastLines = (ending: Ending): string =>
  ending.kind === 'finished'
    ? 'data: [DONE]\n\n'
    : `data: ${JSON.stringify(errorBody(ending.fault))}\n\n`;

/** Silence is broken by comments only; every client skips them (dialect, 4.9). */
const comment = (queuePosition: number | null): string =>
  queuePosition === null ? ': keep-alive\n\n' : `: keep-alive, queue position ${queuePosition}\n\n`;
