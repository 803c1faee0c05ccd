import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { GatewayObserver } from '#server/gateway/gateway.ts';
import type { ClusterView } from '#server/orchestrator/answers.ts';
import type { Log, LogEntry } from '#server/orchestrator/log.ts';
import { serveMetrics } from './door.ts';
import type { LogLevel, OperatorEntry } from './entries.ts';
import { errorFacts } from './error-facts.ts';
import { createLog, type OperatorLog } from './log.ts';
import { OperatorMetrics } from './metrics.ts';
import type { CountingSink } from './stdout-sink.ts';

/**
 * One server as its operator sees it: what the parts tell of themselves becomes a line and a
 * figure. Nobody asks it anything; without it the server works the same.
 */
export class Operator implements GatewayObserver {
  readonly #log: OperatorLog;
  readonly #metrics: OperatorMetrics;
  #view: () => ClusterView | null = () => null;

  constructor(level: LogLevel, sink: CountingSink) {
    this.#log = createLog(level, sink);
    this.#metrics = new OperatorMetrics({
      view: () => this.#view(),
      droppedLines: () => sink.dropped,
    });
  }

  /** Whose state a scrape shows. */
  watch(view: () => ClusterView): void {
    this.#view = view;
  }

  write(entry: OperatorEntry): void {
    this.#log.write(entry);
  }

  /** The orchestrator's. */
  readonly cluster: Log = { write: (entry) => this.#takeCluster(entry) };

  answerEnded: GatewayObserver['answerEnded'] = (answer) => {
    this.#metrics.answerEnded(answer);
    this.write({ event: 'answer', ...answer });
  };

  requestRefused: GatewayObserver['requestRefused'] = (code) => {
    this.#metrics.refused('api', code);
    this.write({ event: 'refused', door: 'api', code });
  };

  socketRefused = (code: FaultCode): void => {
    this.#metrics.refused('node', code);
    this.write({ event: 'refused', door: 'node', code });
  };

  fault = (error: unknown, request: string | null): void => {
    this.write({ event: 'fault', request, error: errorFacts(error) });
  };

  /** True where the request was for `/metrics`. */
  serve(req: IncomingMessage, res: ServerResponse): boolean {
    return serveMetrics(this.#metrics, req, res);
  }

  #takeCluster(entry: LogEntry): void {
    this.write(entry);
    if (entry.event === 'node-joined') this.#metrics.nodeJoined();
    if (entry.event === 'node-lost') this.#metrics.nodeLost(entry.cause);
    if (entry.event === 'failover') this.#metrics.failedOver(entry);
  }
}
