import type { Server, TLSSocket } from 'node:tls';
import { unreachable } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import { encodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import type { Refusal } from '#lib/ledger/client/wire/codes.ts';
import { decodeRequest, type ClientRequest } from '#lib/ledger/client/wire/requests.ts';
import type { StoredBlock } from '#lib/ledger/store/server.ts';
import { ALLOWANCES, DOOR_RATES, REPLICA_LIMITS, REPLICA_TIMES } from '../limits.ts';
import { refuse, type LedgerView, type Said } from '../ledger-view.ts';
import type { Identity } from '../transport/certificate.ts';
import { FrameSocket } from '../transport/frame-socket.ts';
import { CLIENT_PROTOCOL, listenTls, type HostPort } from '../transport/tls.ts';
import { Turns } from '../transport/turns.ts';
import { Subscription } from './subscription.ts';
import { WaitingSubmits } from './waiting.ts';

/** What becomes of a transaction at the door: `waits` until it is executed, or an answer at once. */
export type Submitted =
  | { readonly type: 'waits'; readonly id: string }
  | { readonly type: 'executed'; readonly id: Uint8Array }
  | { readonly type: 'refused'; readonly code: Refusal; readonly retryAfterMs: number };

export interface ClientPortOptions {
  readonly identity: Identity;
  readonly listen: HostPort;
  readonly view: LedgerView;
  /** @param client a name of the connection. */
  readonly submit: (transaction: Uint8Array, client: string) => Submitted;
  readonly isPending: (id: Uint8Array) => boolean;
  /** Few wait to be ordered: more may come as fast as they are read. */
  readonly hasRoom: () => boolean;
  readonly peersHeard: () => number;
  readonly onRefused: (code: Refusal) => void;
}

interface Client {
  readonly name: string;
  readonly socket: FrameSocket;
  readonly subscriptions: Map<number, Subscription>;
  /** When the frame that is under way was first seen unfinished. */
  frameSince: number | null;
}

/** Refusals that are this replica's state and no fault of who asks: it will ask again, and should. */
const OURS: ReadonlySet<Refusal> = new Set([
  ...(['ledger/busy', 'ledger/no-quorum', 'ledger/stale'] as const),
  ...(['ledger/outcome-unknown', 'server/stopping'] as const),
]);

/** Clients: no certificate of theirs, a queue and bounds of their own, after the replicas in every turn. */
export class ClientPort {
  readonly #options: ClientPortOptions;
  readonly #clients = new Set<Client>();
  readonly #waiting = new WaitingSubmits<Client>();
  readonly #turns: Turns;
  readonly #timer: NodeJS.Timeout;
  #server: Server | null = null;
  #named = 0;
  #isStopping = false;
  port = 0;

  constructor(options: ClientPortOptions) {
    this.#options = options;
    this.#turns = new Turns(REPLICA_TIMES.clientSliceMs, options.hasRoom);
    this.#timer = setInterval(() => this.#closeSlow(), REPLICA_TIMES.frameMs / 4);
  }

  async listen(): Promise<void> {
    const { identity, listen } = this.#options;
    const { server, port } = await listenTls(listen, {
      ...{ identity, protocol: CLIENT_PROTOCOL, asksPeer: false },
      socketsMax: REPLICA_LIMITS.clientSocketsMax,
      handshakes: DOOR_RATES.clientHandshakes,
      onSocket: (socket) => this.#accept(socket),
    });
    this.#server = server;
    this.port = port;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Connections that wait for their turn. */
  get queued(): number {
    return this.#turns.length;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A block is executed: who waits for a transaction of it has its answer, who subscribed the block. */
  executed(block: StoredBlock, ids: readonly string[]): void {
    for (const [index, id] of ids.entries()) {
      const waiting = this.#waiting.take(id);
      if (waiting.length === 0) continue;
      const said = this.#options.view.executed(block, index);
      for (const { client, tag } of waiting) {
        this.#say(client, tag, said ?? refuse('request/not-found'));
      }
    }
    for (const { subscriptions } of this.#clients) {
      for (const subscription of subscriptions.values()) subscription.wake();
    }
  }

  /** A state came from others: of what was executed on the way there, no block is here to tell of it. */
  skipped(isPending: (id: string) => boolean): void {
    for (const { client, tag } of this.#waiting.takeUnless(isPending)) {
      this.#say(client, tag, refuse('request/not-found'));
    }
  }

  /** Says so to all who wait, then ends. */
  close(): void {
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#server?.close();
    for (const client of this.#clients) {
      for (const subscription of client.subscriptions.values()) subscription.end();
      this.#say(client, 0, refuse('server/stopping'));
      client.socket.close('after');
    }
  }

  #accept(socket: TLSSocket): void {
    if (this.#isStopping) {
      socket.destroy();
      return;
    }
    this.#named += 1;
    const client: Client = {
      name: String(this.#named),
      socket: new FrameSocket(socket, {
        frameBytesMax: CLIENT_LIMITS.requestBytesMax,
        queueBytesMax: REPLICA_LIMITS.clientQueueBytesMax,
        turns: this.#turns,
        allowance: ALLOWANCES.stranger,
        onFrame: (bytes) => this.#onFrame(client, bytes),
        onClose: () => this.#forget(client),
      }),
      subscriptions: new Map(),
      frameSince: null,
    };
    this.#clients.add(client);
  }

  /** @returns how many ms it cost for nothing. */
  #onFrame(client: Client, bytes: Uint8Array): number {
    client.frameSince = null;
    const startedAt = performance.now();
    const msMin = this.#work(client, bytes);
    return msMin === 0 ? 0 : Math.max(msMin, performance.now() - startedAt);
  }

  /** @returns what it costs at least; 0: it is free, something to be ordered, or to be brought again. */
  #work(client: Client, bytes: Uint8Array): number {
    const { frameMsMin, diskFrameMsMin } = ALLOWANCES;
    const request = decodeRequest(bytes);
    if (isFault(request)) {
      this.#malformed(client);
      return frameMsMin;
    }
    const said = this.#answer(client, request);
    if (said === null) return request.type === 'submit' ? 0 : frameMsMin;
    if (!(said instanceof Promise)) {
      this.#say(client, request.tag, said);
      return said.type === 'refused' && OURS.has(said.code) ? 0 : frameMsMin;
    }
    said.then(
      (answer) => this.#say(client, request.tag, answer),
      // The disk fails: the store tells of it, and this client asks another replica.
      () => client.socket.close(),
    );
    return request.type === 'submit' ? 0 : diskFrameMsMin;
  }

  /** Null: the answer comes later, or there is none. */
  #answer(client: Client, request: ClientRequest): Said | Promise<Said> | null {
    const { view, peersHeard } = this.#options;
    switch (request.type) {
      case 'submit':
        return this.#submit(client, request);
      case 'outcome':
        return this.#outcome(request.id);
      case 'read':
        return view.read(request);
      case 'open-holds':
        return view.openHolds(request);
      case 'blocks':
        return view
          .blocks(request.from, request.count)
          .then((blocks): Said =>
            blocks.length > 0 ? { type: 'blocks', blocks } : refuse('request/not-found'),
          );
      case 'subscribe':
        return this.#subscribe(client, request);
      case 'unsubscribe':
        client.subscriptions.get(request.tag)?.end();
        client.subscriptions.delete(request.tag);
        return null;
      case 'epoch-ends':
        return view.epochEnds(request.from);
      case 'history':
        return view.history(request);
      case 'evidence':
        return view.evidence(request.index);
      case 'status':
        return view.firstBlock().then((first) => view.status(peersHeard(), first));
      default:
        return unreachable(request);
    }
  }

  #submit(
    client: Client,
    { transaction, tag }: Extract<ClientRequest, { type: 'submit' }>,
  ): Said | Promise<Said> | null {
    if (this.#waiting.countOf(client) >= REPLICA_LIMITS.waitingPerClientMax) {
      return refuse('ledger/busy', REPLICA_TIMES.busyRetryMs);
    }
    const submitted = this.#options.submit(transaction, client.name);
    switch (submitted.type) {
      case 'waits':
        this.#waiting.add(submitted.id, client, tag);
        client.socket.allow(ALLOWANCES.client);
        return null;
      case 'executed':
        return this.#outcome(submitted.id);
      case 'refused':
        return refuse(submitted.code, submitted.retryAfterMs);
      default:
        return unreachable(submitted);
    }
  }

  async #outcome(id: Uint8Array): Promise<Said> {
    const said = await this.#options.view.outcome(id);
    if (said !== null) return said;
    return refuse(this.#options.isPending(id) ? 'ledger/outcome-unknown' : 'request/not-found');
  }

  #subscribe(
    client: Client,
    { from, tag }: Extract<ClientRequest, { type: 'subscribe' }>,
  ): Said | null {
    const { subscriptions, socket } = client;
    const isNew = !subscriptions.has(tag);
    if (isNew && subscriptions.size >= REPLICA_LIMITS.subscriptionsPerClientMax) {
      return refuse('ledger/busy', REPLICA_TIMES.busyRetryMs);
    }
    subscriptions.get(tag)?.end();
    const subscription = new Subscription(from, {
      blocks: (at, most) => this.#options.view.blocks(at, most),
      executed: () => this.#options.view.executedSequence,
      say: async (said) => {
        this.#say(client, tag, said);
        await socket.drained();
      },
    });
    subscriptions.set(tag, subscription);
    subscription.wake();
    return null;
  }

  #malformed(client: Client): void {
    this.#say(client, 0, refuse('wire/malformed'));
    client.socket.close('after');
    this.#forget(client);
  }

  #say(client: Client, tag: number, said: Said): void {
    if (said.type === 'refused') this.#options.onRefused(said.code);
    if (!client.socket.send(encodeAnswer({ tag, ...said }))) client.socket.close();
  }

  #forget(client: Client): void {
    this.#clients.delete(client);
    this.#waiting.forget(client);
    for (const subscription of client.subscriptions.values()) subscription.end();
  }

  /** Who began a frame and does not end it. */
  #closeSlow(): void {
    const now = performance.now();
    for (const client of this.#clients) {
      if (!client.socket.isWithinFrame) client.frameSince = null;
      else client.frameSince ??= now;
      if (client.frameSince !== null && now - client.frameSince > REPLICA_TIMES.frameMs) {
        client.socket.close();
      }
    }
  }
}
