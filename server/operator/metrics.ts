import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { NODE_STATES } from '#lib/shard/wire/node-messages.ts';
import type { EndedAnswer } from '#server/gateway/answers/meter.ts';
import type { ClusterView } from '#server/orchestrator/answers.ts';
import type { FailoverEntry } from '#server/orchestrator/log.ts';
import { LOSS_CAUSES, type LossCause } from '#server/orchestrator/state.ts';
import type { Door } from './entries.ts';

/** What is read at each scrape. */
export interface MetricSources {
  /** Null until there is a cluster. */
  readonly view: () => ClusterView | null;
  readonly droppedLines: () => number;
}

const PHASES = ['detect', 'plan', 'load', 'replay', 'total'] as const;

/**
 * Prometheus' view of one server. Labels are of closed lists, so a scrape stays small whatever
 * nodes and clients do.
 */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #counts = countersOf(this.#registry);
  readonly #times = histogramsOf(this.#registry);

  constructor(sources: MetricSources) {
    collectDefaultMetrics({ register: this.#registry });
    readAtScrape(this.#registry, sources);
    for (const cause of LOSS_CAUSES) {
      this.#counts.failovers.inc({ cause }, 0);
      this.#counts.lost.inc({ cause }, 0);
    }
  }

  readonly contentType = this.#registry.contentType;

  /** The exposition text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  answerEnded({ end, promptTokens, tokens, ttftMs, tokensPerSecond }: EndedAnswer): void {
    this.#counts.answers.inc({ end });
    this.#counts.promptTokens.inc(promptTokens);
    this.#counts.generatedTokens.inc(tokens);
    if (ttftMs !== null) this.#times.ttft.observe(ttftMs / 1000);
    if (tokensPerSecond !== null) this.#times.speed.observe(tokensPerSecond);
  }

  refused(door: Door, code: string): void {
    this.#counts.refusals.inc({ door, code });
  }

  nodeJoined(): void {
    this.#counts.joined.inc();
  }

  nodeLost(cause: LossCause): void {
    this.#counts.lost.inc({ cause });
  }

  failedOver(entry: FailoverEntry): void {
    this.#counts.failovers.inc({ cause: entry.cause });
    for (const phase of PHASES) this.#times.pause.observe({ phase }, entry[`${phase}Ms`] / 1000);
  }
}

function countersOf(registry: Registry) {
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: `declai_${name}_total`, help, labelNames, registers: [registry] });
  return {
    answers: counter('answers', 'Answers that ended: stop, length, or the code told.', ['end']),
    promptTokens: counter('prompt_tokens', 'Prompt tokens of ended answers.'),
    generatedTokens: counter('generated_tokens', 'Tokens given out in ended answers.'),
    failovers: counter('failovers', 'Answers that went on after a loss, by cause.', ['cause']),
    refusals: counter('refusals', 'Requests and sockets turned away.', ['door', 'code']),
    joined: counter('nodes_joined', 'Nodes that joined.'),
    lost: counter('nodes_lost', 'Nodes that were lost, paused or left.', ['cause']),
  };
}

function histogramsOf(registry: Registry) {
  const registers = [registry];
  return {
    ttft: new Histogram({
      name: 'declai_time_to_first_token_seconds',
      help: 'From the request to the first token of its answer.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
      registers,
    }),
    speed: new Histogram({
      name: 'declai_tokens_per_second',
      help: 'Of an answer, from its first token to its last, pauses included.',
      buckets: [1, 2, 5, 10, 20, 40, 80, 160, 320, 640],
      registers,
    }),
    pause: new Histogram({
      name: 'declai_failover_pause_seconds',
      help: 'Pause of a reader in a failover, by phase.',
      labelNames: ['phase'],
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30],
      registers,
    }),
  };
}

/** The cluster's own figures, asked for once a scrape. */
function readAtScrape(registry: Registry, { view, droppedLines }: MetricSources): void {
  const gauge = (name: string, help: string, value: (view: ClusterView) => number) =>
    new Gauge({
      name: `declai_${name}`,
      help,
      registers: [registry],
      collect() {
        const now = view();
        this.set(now === null ? 0 : value(now));
      },
    });
  gauge('sessions', 'Open sessions.', ({ sessions }) => sessions);
  gauge('queue_length', 'Requests that wait for room or for a node.', ({ queued }) => queued);
  gauge('uncovered_layers', 'Layers that nobody holds, loads or could load.', uncoveredLayers);
  nodesByState(registry, view);
  total(registry, {
    name: 'declai_relayed_bytes_total',
    help: 'Bytes of frames that crossed the server.',
    value: () => view()?.relayedBytes ?? 0,
  });
  total(registry, {
    name: 'declai_log_lines_dropped_total',
    help: 'Log lines that nobody took.',
    value: droppedLines,
  });
}

function nodesByState(registry: Registry, view: MetricSources['view']): void {
  new Gauge({
    name: 'declai_nodes',
    help: 'Nodes by state, as /api/status shows them.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const nodes = view()?.nodes ?? [];
      for (const state of NODE_STATES) {
        this.set({ state }, nodes.filter((node) => node.state === state).length);
      }
    },
  });
}

/** A counter that is kept elsewhere. */
function total(
  registry: Registry,
  { name, help, value }: { name: string; help: string; value: () => number },
): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}

const uncoveredLayers = ({ uncovered }: ClusterView): number =>
  uncovered
    .flatMap(({ ranges }) => ranges)
    .reduce((layers, { first, last }) => layers + last - first + 1, 0);
