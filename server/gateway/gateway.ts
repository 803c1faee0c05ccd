import type { IncomingMessage, ServerResponse } from 'node:http';
import { isFault } from '#lib/kernel/errors.ts';
import { systemClock, type Clock } from '#lib/kernel/ports.ts';
import type { Answers } from '#server/orchestrator/answers.ts';
import { AnswerStore } from './answers/store.ts';
import { completionHeaders } from './answers/serve.ts';
import { isInternal } from './errors.ts';
import type { GatewayParts } from './gateway-parts.ts';
import { setCors } from './http/cors.ts';
import { openExchange, type Exchange } from './http/exchange.ts';
import { sendError } from './http/respond.ts';
import { gatewayConfig, type GatewayConfig } from './limits.ts';
import type { ModelDirectory } from './models/directory.ts';
import { matchDoor, type Match } from './router.ts';

export interface GatewayOptions {
  readonly answers: Answers;
  readonly models: ModelDirectory;
  readonly clock?: Clock;
  /** Bounds and times that differ from `GATEWAY`. */
  readonly config?: Partial<GatewayConfig>;
  /** Faults of ours, for the operator's log; the client reads a sentence without detail. */
  readonly report: (error: unknown, requestId: string) => void;
}

export interface Gateway {
  /** Handles the request, or returns false where its path belongs to somebody else. */
  handle(req: IncomingMessage, res: ServerResponse): boolean;
  /** Cancels every answer; their readers get a reset, never a clean end (S13). */
  close(): void;
}

export function createGateway(options: GatewayOptions): Gateway {
  const clock = options.clock ?? systemClock;
  const config = gatewayConfig(options.config);
  const store = new AnswerStore(config, clock);
  const parts: GatewayParts = {
    answers: options.answers,
    models: options.models,
    store,
    clock,
    config,
  };
  return {
    handle(req, res) {
      const exchange = openExchange(req, res, clock);
      const match = exchange && matchDoor(exchange.url.pathname);
      if (!match) return false;
      void answerExchange(parts, { exchange, match, report: options.report });
      return true;
    },
    close() {
      store.close();
      options.models.close();
    },
  };
}

interface Job {
  readonly exchange: Exchange;
  readonly match: Match;
  readonly report: GatewayOptions['report'];
}

async function answerExchange(parts: GatewayParts, { exchange, match, report }: Job) {
  const { req, res, requestId } = exchange;
  // A socket that breaks tells it by `close`; an error event without a listener ends the process.
  res.on('error', () => undefined);
  res.setHeader('x-request-id', requestId);
  setCors(exchange);
  if (req.method === 'OPTIONS') {
    const methods = [...match.methods, 'OPTIONS'].join(', ');
    res.writeHead(204, { allow: methods, 'access-control-allow-methods': methods });
    res.end();
    return;
  }
  try {
    await match.handle(parts, exchange);
  } catch (error) {
    if (isFault(error, 'kernel/aborted')) return;
    if (isInternal(error)) report(error, requestId);
    const headers = req.method === 'POST' ? completionHeaders(parts, exchange) : {};
    sendError(exchange, error, headers);
  }
}
