import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { REFUSALS, type Refusal } from '#lib/ledger/client/wire/codes.ts';
import type { Phase } from './phases.ts';
import type { LinkEnd } from './transport/ping.ts';

/** What a scrape and `/healthz` show of one replica. */
export interface ReplicaHealth {
  /** In hex, as the member list has it. */
  readonly id: string;
  readonly chain: string;
  readonly votes: boolean;
  /** Why the vote key signs never again; null: it may. */
  readonly amnesia: string | null;
  readonly epoch: number;
  readonly view: number;
  readonly isChangingView: boolean;
  readonly executed: number;
  readonly stable: number;
  readonly ledgerTimeMs: number;
  /** Other members heard within 2 s, of how many, and whether they make a quorum with this one. */
  readonly peersHeard: number;
  readonly peers: readonly {
    readonly id: string;
    readonly isUp: boolean;
    readonly offsetMs: number | null;
    readonly roundTripMs: number | null;
    readonly waitingBytes: number;
  }[];
  readonly hasQuorum: boolean;
  readonly evidence: number;
  readonly queues: {
    /** Requests that wait to be ordered. */
    readonly pending: number;
    /** Clients' frames that wait for their turn. */
    readonly clientFrames: number;
    /** Effects that wait for the disk. */
    readonly disk: number;
  };
  readonly clients: number;
  readonly droppedFrames: number;
  /** Links that ended because of what one end sent: by us, and by the other end. */
  readonly linksEnded: readonly {
    readonly code: LinkEnd;
    readonly by: 'us' | 'peer';
    readonly count: number;
  }[];
}

/** Prometheus' view of one replica. Labels are of closed lists, or one for each member. */
export class ReplicaMetrics {
  readonly #registry = new Registry();
  readonly #blocks: Counter;
  readonly #transactions: Counter;
  readonly #refusals: Counter<'code'>;
  readonly #phases: Histogram<'phase'>;

  constructor(health: () => ReplicaHealth) {
    const registers = [this.#registry];
    // Measured by waking up so often: four idle replicas would take half a percent of a core for it.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    gauges(this.#registry, health);
    peerGauges(this.#registry, health);
    endedGauge(this.#registry, health);
    const count = (name: string, help: string): Counter =>
      new Counter({ name: `declai_ledger_${name}_total`, help, registers });
    this.#blocks = count('blocks', 'Blocks executed.');
    this.#transactions = count('transactions', 'Transactions executed, refused ones too.');
    this.#refusals = new Counter({
      name: 'declai_ledger_refusals_total',
      help: 'Clients turned away, by code.',
      labelNames: ['code'],
      registers,
    });
    for (const code of REFUSALS) this.#refusals.inc({ code }, 0);
    this.#phases = new Histogram({
      name: 'declai_ledger_phase_seconds',
      help: 'Of a slot: prepare, from the proposal to prepared; commit, from there to executed.',
      labelNames: ['phase'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    });
  }

  readonly contentType = this.#registry.contentType;

  /** The exposition text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  executed(transactions: number): void {
    this.#blocks.inc();
    this.#transactions.inc(transactions);
  }

  refused(code: Refusal): void {
    this.#refusals.inc({ code });
  }

  phase(phase: Phase, seconds: number): void {
    this.#phases.observe({ phase }, seconds);
  }
}

const GAUGES: readonly (readonly [
  name: string,
  help: string,
  value: (health: ReplicaHealth) => number | boolean,
])[] = [
  ['epoch', 'Epoch that votes now.', ({ epoch }) => epoch],
  ['view', 'View.', ({ view }) => view],
  ['changing_view', '1 while a view change is under way.', ({ isChangingView }) => isChangingView],
  ['executed_sequence', 'Last block executed.', ({ executed }) => executed],
  ['stable_sequence', 'Last stable checkpoint.', ({ stable }) => stable],
  ['time_seconds', 'Ledger time of the last block.', ({ ledgerTimeMs }) => ledgerTimeMs / 1000],
  ['votes', '1 where this replica votes.', ({ votes }) => votes],
  ['amnesia', '1 where its vote key signs never again.', ({ amnesia }) => amnesia !== null],
  ['quorum', '1 where enough others are heard.', ({ hasQuorum }) => hasQuorum],
  ['evidence', 'Replicas convicted, by kind and epoch.', ({ evidence }) => evidence],
  ['pending', 'Requests that wait to be ordered.', ({ queues }) => queues.pending],
  ['client_frames', "Clients' frames that wait.", ({ queues }) => queues.clientFrames],
  ['disk_queue', 'Effects that wait for the disk.', ({ queues }) => queues.disk],
  ['clients', 'Connections on the client port.', ({ clients }) => clients],
  ['dropped_frames', 'Frames to peers that were dropped.', ({ droppedFrames }) => droppedFrames],
];

function gauges(registry: Registry, health: () => ReplicaHealth): void {
  for (const [name, help, value] of GAUGES) {
    new Gauge({
      name: `declai_ledger_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(Number(value(health())));
      },
    });
  }
}

function peerGauges(registry: Registry, health: () => ReplicaHealth): void {
  type Peer = ReplicaHealth['peers'][number];
  const gauge = (name: string, help: string, value: (peer: Peer) => number): void => {
    new Gauge({
      name: `declai_ledger_peer_${name}`,
      help,
      labelNames: ['peer'],
      registers: [registry],
      collect() {
        this.reset();
        for (const peer of health().peers) this.set({ peer: peer.id }, value(peer));
      },
    });
  };
  gauge('up', '1 where there is a link.', ({ isUp }) => Number(isUp));
  gauge('clock_offset_seconds', 'Its clock less ours.', ({ offsetMs }) => (offsetMs ?? 0) / 1000);
  gauge('round_trip_seconds', 'Of a ping.', ({ roundTripMs }) => (roundTripMs ?? 0) / 1000);
  gauge('queue_bytes', 'What waits to be sent to it.', ({ waitingBytes }) => waitingBytes);
}

function endedGauge(registry: Registry, health: () => ReplicaHealth): void {
  new Gauge({
    name: 'declai_ledger_links_ended',
    help: 'Links that ended because of what one end sent, by whom and why.',
    labelNames: ['code', 'by'],
    registers: [registry],
    collect() {
      for (const { code, by, count } of health().linksEnded) this.set({ code, by }, count);
    },
  });
}
