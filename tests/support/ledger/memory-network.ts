import { isFault } from '#lib/kernel/errors.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { judgeAtDoor } from '#lib/ledger/application/door.ts';
import { ledgerState } from '#lib/ledger/application/application.ts';
import type { Endpoint, LinkHandlers, ReplicaLink } from '#lib/ledger/client/connection.ts';
import { encodeAnswer, type Reply } from '#lib/ledger/client/wire/answers.ts';
import { REFUSALS, type Refusal } from '#lib/ledger/client/wire/codes.ts';
import { decodeRequest, type ClientRequest } from '#lib/ledger/client/wire/requests.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { answerOf, type Lie } from './client-port.ts';
import type { LocalCluster } from './local-cluster.ts';

/** One replica's client port in memory, and what a test makes of it. */
export interface MemoryPort {
  /** Connections end, and none is made. */
  isCut: boolean;
  /** Takes everything and says nothing. */
  isSilent: boolean;
  /** Does everything and says nothing. */
  isMute: boolean;
  /** Every submit is turned away so. */
  refuses: Refusal | null;
  lie: Lie;
  /** Frames that came, by type. */
  readonly asked: string[];
}

interface Open {
  readonly handlers: LinkHandlers;
  readonly subscriptions: Map<number, number>;
  readonly submitted: Map<number, Uint8Array>;
}

/** Client ports of a cluster in memory: `endpoints` for a client, `ports` for the test's faults. */
export class MemoryNetwork {
  readonly cluster: LocalCluster;
  readonly ports: MemoryPort[];
  readonly endpoints: readonly Endpoint[];
  readonly #open: Set<Open>[];

  constructor(cluster: LocalCluster) {
    this.cluster = cluster;
    const indexes = cluster.replicas.map((_, index) => index);
    this.#open = indexes.map(() => new Set());
    this.ports = indexes.map(() => ({
      ...{
        isCut: false,
        isSilent: false,
        isMute: false,
        refuses: null,
        lie: (reply) => reply,
        asked: [],
      },
    }));
    this.endpoints = indexes.map((index) => ({
      name: `replica ${index}`,
      dial: (handlers) => this.#dial(index, handlers),
    }));
  }

  port(index: number): MemoryPort {
    return this.ports[index]!;
  }

  cut(index: number): void {
    this.port(index).isCut = true;
    for (const open of this.#open[index]!) this.#close(index, open);
  }

  #close(index: number, open: Open): void {
    if (this.#open[index]!.delete(open)) open.handlers.onClose();
  }

  #dial(index: number, handlers: LinkHandlers): ReplicaLink {
    const open: Open = { handlers, subscriptions: new Map(), submitted: new Map() };
    queueMicrotask(() => {
      if (this.port(index).isCut) {
        handlers.onClose();
        return;
      }
      this.#open[index]!.add(open);
      handlers.onOpen();
    });
    return {
      send: (frame) => {
        if (!this.#open[index]!.has(open)) return false;
        const request = decodeRequest(frame);
        if (isFault(request)) throw request;
        queueMicrotask(() => this.#onRequest(index, open, request));
        return true;
      },
      close: () => this.#close(index, open),
    };
  }

  #onRequest(index: number, open: Open, request: ClientRequest): void {
    const port = this.port(index);
    port.asked.push(request.type);
    if (port.isSilent) return;
    const replica = this.cluster.replica(index);
    const { tag } = request;
    switch (request.type) {
      case 'submit':
        this.#onSubmit(index, open, request);
        return;
      case 'subscribe':
        open.subscriptions.set(tag, request.from);
        this.flush();
        return;
      case 'unsubscribe':
        open.subscriptions.delete(tag);
        return;
      default: {
        const reply = answerOf(replica, request);
        this.#say(index, open, { tag, reply: port.lie(reply, request) });
      }
    }
  }

  #onSubmit(index: number, open: Open, request: ClientRequest & { type: 'submit' }): void {
    const { refuses } = this.port(index);
    const { tag, transaction } = request;
    const refuse = (code: Refusal): void => {
      this.#say(index, open, { tag, reply: { type: 'refused', code, retryAfterMs: 20 } });
    };
    if (refuses !== null) {
      refuse(refuses);
      return;
    }
    const { state } = this.cluster.replica(index);
    const { chain } = state.env;
    const door = { wallMs: Number(this.cluster.world.timeMs), isRelayed: false };
    const app = ledgerState(state.head.app);
    const verdict = judgeAtDoor(app, readTransaction(transaction, nodeSha256), {
      ...door,
      chain,
      sha256: nodeSha256,
    });
    if (verdict.type === 'refused') {
      refuse(REFUSALS.find((code) => code === verdict.code) ?? 'wire/malformed');
      return;
    }
    open.submitted.set(tag, transaction);
    this.cluster.submitTo(index, transaction);
    this.flush();
  }

  #say(index: number, open: Open, { tag, reply }: { tag: number; reply: Reply }): void {
    if (!this.#open[index]!.has(open) || this.port(index).isMute) return;
    open.handlers.onFrame(encodeAnswer({ ...reply, tag }));
  }

  /** Who waits for what has happened since is told. */
  flush(): void {
    for (const [index, opened] of this.#open.entries()) {
      const replica = this.cluster.replica(index);
      const { lie } = this.port(index);
      for (const open of opened) {
        for (const [tag, transaction] of open.submitted) {
          const read = readTransaction(transaction, nodeSha256);
          if (isFault(read)) continue;
          const reply = answerOf(replica, { type: 'outcome', id: read.id });
          if (reply.type !== 'executed') continue;
          open.submitted.delete(tag);
          const question = { type: 'submit', transaction } as const;
          this.#say(index, open, { tag, reply: lie(reply, question) });
        }
        for (const [tag, from] of open.subscriptions) {
          const reply = answerOf(replica, { type: 'blocks', from, count: 256 });
          if (reply.type !== 'blocks') continue;
          open.subscriptions.set(tag, from + reply.blocks.length);
          this.#say(index, open, { tag, reply: lie(reply, { type: 'subscribe', from }) });
        }
      }
    }
  }
}
