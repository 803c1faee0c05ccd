import type { IncomingMessage, ServerResponse } from 'node:http';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { systemClock, type Clock } from '#lib/kernel/ports.ts';
import type { Answers } from '#server/orchestrator/answers.ts';
import type { EndedAnswer } from './answers/meter.ts';
import { AnswerStore } from './answers/store.ts';
import { completionHeaders } from './answers/serve.ts';
import { LedgerDesk, type LedgerAccess } from './doors/ledger/desk.ts';
import { errorBody, isInternal } from './errors.ts';
import type { GatewayParts } from './gateway-parts.ts';
import { setCors } from './http/cors.ts';
import { openExchange, type Exchange } from './http/exchange.ts';
import { sendError } from './http/respond.ts';
import { gatewayConfig, type GatewayConfig } from './limits.ts';
import type { ModelDirectory } from './models/directory.ts';
import { PrefixScopes } from './prefix-scopes.ts';
import { matchDoor, type Match } from './router.ts';

export interface GatewayOptions {
  readonly answers: Answers;
  readonly models: ModelDirectory;
  readonly clock?: Clock;
  /** Bounds and times that differ from `GATEWAY`. */
  readonly config?: Partial<GatewayConfig>;
  /** Faults of ours, for the operator's log; the client reads a sentence without detail. */
  readonly report: (error: unknown, requestId: string) => void;
  readonly observer?: GatewayObserver;
  /** The credit ledger, for light clients; none where it is left out. */
  readonly ledger?: LedgerAccess;
  /** A system prompt that is no secret: what was computed of it is everybody's. */
  readonly publicPrompt?: string | null;
}

/** Who counts: told of ends and refusals, never of a text. */
export interface GatewayObserver {
  answerEnded(answer: EndedAnswer): void;
  /** `code` as the client reads it; of a closed list (`errors.ts`). */
  requestRefused(code: string): void;
}

export interface Gateway {
  /** Handles the request, or returns false where its path belongs to somebody else. */
  handle(req: IncomingMessage, res: ServerResponse): boolean;
  /**
   * Ends every answer and refuses the rest with `server/stopping`: readers of a stream get an error
   * event and a reset, never a clean end (S13), the others a 503. Settles when they have been told,
   * or were cut.
   */
  close(): Promise<void>;
}

export const createGateway = (options: GatewayOptions): Gateway => new GatewayShell(options);

class GatewayShell implements Gateway {
  readonly #options: GatewayOptions;
  readonly #parts: GatewayParts;
  readonly #open = new Set<Exchange>();
  #stopping: FaultError | null = null;

  constructor(options: GatewayOptions) {
    const { answers, models, clock = systemClock } = options;
    const config = gatewayConfig(options.config);
    this.#options = options;
    const store = new AnswerStore(config, clock, (answer) => {
      options.observer?.answerEnded(answer);
    });
    const prefixes = new PrefixScopes(options.publicPrompt ?? null);
    const ledger = options.ledger ? new LedgerDesk(options.ledger, config, clock) : null;
    this.#parts = { answers, models, store, prefixes, ledger, clock, config };
  }

  handle(req: IncomingMessage, res: ServerResponse): boolean {
    const exchange = openExchange(req, res, this.#parts.clock);
    const match = exchange && matchDoor(exchange.url.pathname);
    if (!match) return false;
    this.#open.add(exchange);
    res.once('close', () => this.#open.delete(exchange));
    void this.#answer(exchange, match);
    return true;
  }

  async close(): Promise<void> {
    const { config, models, store } = this.#parts;
    const details = { retryAfterSeconds: config.stopRetrySeconds };
    this.#stopping = new FaultError('server/stopping', 'the server ends', { details });
    for (const exchange of this.#open) {
      if (!exchange.res.headersSent) this.#refuse(exchange, this.#stopping);
    }
    store.close(this.#stopping);
    models.close();
    await this.#untilTold(config.stopMs);
    for (const { res } of this.#open) res.destroy();
  }

  async #answer(exchange: Exchange, match: Match): Promise<void> {
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
      if (this.#stopping) throw this.#stopping;
      await match.handle(this.#parts, exchange);
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const { req, res, requestId } = exchange;
    // Told already, by `close`; what fails in its wake is no news.
    if (this.#stopping && res.headersSent) return;
    if (isFault(error, 'kernel/aborted')) return;
    if (isInternal(error)) this.#options.report(error, requestId);
    this.#options.observer?.requestRefused(errorBody(error).error.code ?? '');
    const headers = req.method === 'POST' ? completionHeaders(this.#parts, exchange) : {};
    sendError(exchange, error, headers);
  }

  /** Until nobody reads any more; a reader that takes nothing holds the end up no longer than this. */
  #untilTold(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, mostMs);
      const look = (): void => {
        if (this.#open.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
      // Registered after `handle`'s own listener: the exchange is out of the set when this looks.
      for (const { res } of this.#open) res.once('close', look);
      look();
    });
  }
}
