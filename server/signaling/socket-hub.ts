import { randomBytes } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { hostname } from 'node:os';
import { Server, type Socket } from 'socket.io';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { systemClock, type Clock } from '#lib/kernel/ports.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import { TIMES, WIRE } from '#lib/shard/wire/limits.ts';
import { decodeNodeMessage, protocolOf } from '#lib/shard/wire/message-codec.ts';
import type { NodeMessage, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { Connection } from './connection.ts';
import { doorkeeper } from './doorkeeper.ts';
import type { HubEvent, NodeHub } from './hub.ts';
import { SIGNALING } from './limits.ts';
import { addressKey, originOf, type OriginRule } from './origin.ts';
import { kindOf } from './message-kind.ts';
import { introduce, linkClosed, part } from './pairs.ts';
import { emptyRegistry, goodbye, peerOn, socketOf, type RegistryStep } from './registry.ts';
import { Relay, type RelayRule } from './relay.ts';
import { closeSocket, fence, openSocket, takeHello, tick, type Reason } from './steps.ts';

export interface HubOptions {
  /** The model this cluster serves just now; asked for each challenge. */
  readonly model: () => Challenge['model'];
  /** None by default: no public server is ever called. */
  readonly iceServers?: Challenge['iceServers'];
  /** Origins that people reach this server by, where a proxy or a name stands before it. */
  readonly origins?: readonly string[];
  /** A socket that was turned away or ended, and why: for who counts. */
  readonly onGoodbye?: (code: FaultCode) => void;
  readonly clock?: Clock;
}

export interface Hub extends NodeHub {
  /** Closes every socket; the HTTP server stays its owner's. */
  close(): void;
}

/** Puts the nodes' socket on an HTTP(S) server that listens, or will. */
export const attachHub = (server: HttpServer | HttpsServer, options: HubOptions): Hub =>
  new SocketHub(server, options);

class SocketHub implements Hub {
  readonly #options: HubOptions;
  readonly #clock: Clock;
  readonly #io: Server;
  readonly #originRule: OriginRule;
  readonly #connections = new Map<string, Connection>();
  readonly #relay = new Relay();
  readonly #timers: readonly NodeJS.Timeout[];
  /** Above every incarnation that an earlier process of this server gave. */
  #registry = emptyRegistry(Date.now());
  #listener: (event: HubEvent) => void = () => undefined;

  constructor(server: HttpServer | HttpsServer, options: HubOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#originRule = {
      secure: server instanceof HttpsServer,
      origins: options.origins ?? [],
      hostnames: [hostname(), `${hostname()}.local`],
    };
    this.#io = new Server(server, {
      path: SIGNALING_PATH,
      transports: ['websocket'],
      serveClient: false,
      // Other upgrades on this server are other people's (Next's hot reload).
      destroyUpgrade: false,
      maxHttpBufferSize: SIGNALING.payloadBytesMax,
      pingInterval: SIGNALING.enginePingMs,
      pingTimeout: SIGNALING.enginePingMs,
      connectTimeout: TIMES.helloMs,
      allowRequest: doorkeeper(this.#originRule, (code) => options.onGoodbye?.(code)),
    });
    this.#io.engine.on('connection', cutAfterClose);
    this.#io.on('connection', (socket) => {
      this.#open(socket);
    });
    this.#timers = [
      setInterval(() => {
        this.#pingAll();
      }, TIMES.pingEveryMs),
      setInterval(() => {
        this.#perform(tick(this.#registry, this.#clock.now()));
      }, SIGNALING.tickMs),
    ];
  }

  onEvent(listener: (event: HubEvent) => void): void {
    this.#listener = listener;
  }

  send(node: NodeId, incarnation: number, message: ServerMessage): boolean {
    const entry = this.#registry.nodes.get(node);
    const connection = this.#connectionOf(node);
    if (entry?.incarnation !== incarnation || !connection) return false;
    connection.send(message);
    return true;
  }

  introduce(a: NodeId, b: NodeId, options: { readonly relayOnly: boolean }): void {
    const link = randomBytes(16).toString('hex');
    this.#perform(introduce(this.#registry, { a, b, link, ...options }, this.#clock.now()));
  }

  part(a: NodeId, b: NodeId): void {
    this.#perform(part(this.#registry, a, b));
  }

  fence(node: NodeId, incarnation: number, reason: Reason): void {
    this.#perform(fence(this.#registry, node, { incarnation, reason }));
  }

  setRelayRule(rule: RelayRule): void {
    this.#relay.setRule(rule);
  }

  relayedBytes(): number {
    return this.#relay.relayedBytes;
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#io.disconnectSockets(true);
    this.#io.engine.close();
  }

  #open(socket: Socket): void {
    const now = this.#clock.now();
    const origin = originOf(socket.request, this.#originRule);
    if (origin === null) {
      socket.disconnect(true);
      return;
    }
    const connection = new Connection(socket, now);
    this.#connections.set(connection.id, connection);
    socket.on('message', (...texts: unknown[]) => {
      for (const text of texts) if (!connection.over) this.#takeText(connection, text);
    });
    socket.on('relay', (link: unknown, bytes: unknown) => {
      if (!connection.over) this.#takeRelay(connection, link, bytes);
    });
    socket.on('disconnect', () => {
      this.#connections.delete(connection.id);
      connection.close();
      this.#perform(closeSocket(this.#registry, connection.id, this.#clock.now()));
    });
    const nonce = randomBytes(32).toString('hex');
    const address = addressKey(socket.handshake.address);
    this.#perform(openSocket(this.#registry, { socket: socket.id, address, origin, nonce }, now));
    connection.send({
      type: 'challenge',
      nonce,
      origin,
      protocol: WIRE.protocolVersion,
      model: this.#options.model(),
      iceServers: this.#options.iceServers ?? [],
    });
  }

  #takeText(connection: Connection, text: unknown): void {
    const now = this.#clock.now();
    if (!connection.allowsMessage(now)) {
      this.#overrun(connection, 'too many messages');
      return;
    }
    const decoded = decodeNodeMessage(text);
    if (decoded.ok) {
      const kind = kindOf(decoded.message);
      if (connection.rates.allows(kind, now)) this.#take(connection, decoded.message);
      else this.#overrun(connection, `too many messages of kind ${kind}`);
      return;
    }
    const protocol = protocolOf(text);
    const old = connection.node === null && protocol !== null && protocol !== WIRE.protocolVersion;
    this.#refuse(
      connection,
      old
        ? { code: 'wire/version', message: 'this page is out of date: reload it' }
        : { code: decoded.code, message: 'not a message of this protocol' },
    );
  }

  #take(connection: Connection, message: NodeMessage): void {
    const now = this.#clock.now();
    const { node } = connection;
    if (message.type === 'hello') {
      const said = { socket: connection.id, hello: message };
      this.#perform(takeHello(this.#registry, said, now));
      return;
    }
    if (!node) {
      this.#refuse(connection, { code: 'mesh/refused', message: 'say hello first' });
      return;
    }
    if (message.type === 'signal') {
      this.#forwardSignal(node.id, message);
      return;
    }
    const from = { node: node.id, incarnation: node.incarnation };
    if (message.type === 'pong') {
      const rttMs = connection.rttOf(message.at, now);
      const { progress } = message;
      if (rttMs !== null) this.#listener({ type: 'pong', ...from, rttMs, progress });
      return;
    }
    if (message.type === 'link' && message.state === 'closed') {
      this.#perform(linkClosed(this.#registry, node.id, message));
    }
    this.#listener({ type: 'message', ...from, message });
  }

  /** M3: only between nodes that were introduced, on that link, with the sender's true name. */
  #forwardSignal(from: NodeId, message: Extract<NodeMessage, { type: 'signal' }>): void {
    const { to, link, payload, signature } = message;
    if (peerOn(this.#registry, link, from) !== to) return;
    this.#connectionOf(to)?.send({ type: 'signal', from, link, payload, signature });
  }

  #takeRelay(connection: Connection, link: unknown, bytes: unknown): void {
    const { node } = connection;
    if (!node || typeof link !== 'string' || !(bytes instanceof Uint8Array)) {
      this.#refuse(connection, { code: 'wire/malformed', message: 'not a relayed message' });
      return;
    }
    const pair = this.#registry.pairs.get(link);
    if (!pair || (pair.a !== node.id && pair.b !== node.id)) return;
    const now = this.#clock.now();
    const verdict = this.#relay.judge(pair, node.id, bytes);
    switch (verdict.type) {
      case 'forward': {
        const { to, isTrain } = verdict;
        // A train that does not come whole tells nothing: its sender tries again later.
        if (isTrain && !connection.allowsTrain(bytes.length, now)) return;
        const forward = () => this.#connectionOf(to)?.sendRelay(link, bytes);
        const paced = connection.pace(bytes.length, forward, now);
        if (!paced) this.#overrun(connection, 'relay overrun');
        return;
      }
      case 'return-credit':
        connection.sendRelay(link, verdict.bytes);
        return;
      case 'part':
        this.part(node.id, verdict.peer);
        return;
      case 'refuse':
        this.#refuse(connection, { code: 'wire/malformed', message: 'not a relayed message' });
    }
  }

  /** The socket hears why; whoever spoke on it is out until a new hello: a resume would go on (V3). */
  #overrun(connection: Connection, message: string): void {
    this.#refuse(connection, { code: 'mesh/limit', message });
    const { node } = connection;
    if (node) this.#listener({ type: 'overrun', node: node.id, incarnation: node.incarnation });
  }

  #refuse(connection: Connection, reason: Reason): void {
    this.#perform([this.#registry, goodbye(connection.id, reason)]);
  }

  #perform([registry, outputs]: RegistryStep): void {
    this.#registry = registry;
    for (const output of outputs) {
      if (output.type === 'event') {
        this.#bind(output.event);
        this.#listener(output.event);
        continue;
      }
      const connection = this.#connections.get(output.socket);
      if (output.type === 'close') connection?.close();
      else if (connection && !connection.over) {
        const { message } = output;
        if (message.type === 'goodbye') this.#options.onGoodbye?.(message.code);
        connection.send(message);
      }
    }
  }

  /** From its welcome on a connection speaks for an incarnation. */
  #bind(event: HubEvent): void {
    if (event.type !== 'joined' && event.type !== 'back') return;
    const connection = this.#connectionOf(event.node);
    if (connection) connection.node = { id: event.node, incarnation: event.incarnation };
  }

  #connectionOf(node: NodeId): Connection | null {
    const socket = socketOf(this.#registry, node);
    return socket === null ? null : (this.#connections.get(socket) ?? null);
  }

  #pingAll(): void {
    const now = this.#clock.now();
    for (const connection of this.#connections.values()) {
      if (connection.node) connection.ping(now);
    }
  }
}

/** A closed WebSocket waits for the other end's closing word; a silent end's connection is cut. */
function cutAfterClose(conn: Socket['conn']): void {
  const { socket } = conn.request;
  conn.once('close', () => {
    setTimeout(() => socket.destroy(), SIGNALING.closeMs).unref();
  });
}
