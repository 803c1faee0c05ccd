import { io, type Socket } from 'socket.io-client';
import { Batch } from '#lib/kernel/batch.ts';
import { toFault, type FaultCode } from '#lib/kernel/errors.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { decodeServerMessage, encodeMessage, protocolOf } from '#lib/shard/wire/message-codec.ts';
import type { NodeMessage, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { makeHello } from './hello.ts';
import { MESH } from './limits.ts';
import { SIGNALING_PATH } from './signaling-path.ts';
import type { Challenge, MeshOptions } from './types.ts';

/** Everything the server says after the hello, but ping and goodbye. */
export type PostMessage = Exclude<
  ServerMessage,
  { type: 'challenge' | 'welcome' | 'goodbye' | 'ping' }
>;

export type SignalingEvent =
  | { readonly type: 'online'; readonly incarnation: number; readonly resumed: boolean }
  | { readonly type: 'offline' }
  | { readonly type: 'goodbye'; readonly code: FaultCode; readonly message: string }
  | { readonly type: 'message'; readonly message: PostMessage }
  | { readonly type: 'relay'; readonly link: string; readonly bytes: Uint8Array }
  /** Each ping of the server, after its pong: the mesh's heartbeat, which no hidden tab slows. */
  | { readonly type: 'beat' };

export type SignalingOptions = Pick<
  MeshOptions,
  'url' | 'keys' | 'profile' | 'progress' | 'insecure'
> & { readonly onEvent: (event: SignalingEvent) => void };

/**
 * A node's socket to the server: says hello to each challenge, answers pings at once, connects
 * again by itself. Closed for good by a goodbye of either side.
 */
export class SignalingClient {
  readonly #options: SignalingOptions;
  readonly #socket: Socket;
  readonly #outbox = new Batch<string>((texts) => this.#emit(texts));
  #iceServers: Challenge['iceServers'] = [];
  #incarnation: number | null = null;
  #online = false;
  #stopped = false;
  /** Counts connections: a profile that was measured for an earlier one is not sent on a later. */
  #connection = 0;

  constructor(options: SignalingOptions) {
    this.#options = options;
    this.#socket = io(options.url, {
      path: SIGNALING_PATH,
      transports: ['websocket'],
      autoConnect: false,
      forceNew: true,
      reconnectionDelay: MESH.reconnectFirstMs,
      reconnectionDelayMax: MESH.reconnectMsMax,
      ...(options.insecure ? { rejectUnauthorized: false } : {}),
    });
    this.#socket.on('connect', () => {
      this.#connection += 1;
    });
    this.#socket.on('disconnect', (reason) => {
      this.#lose(reason);
    });
    this.#socket.on('message', (...texts: unknown[]) => {
      for (const text of texts) if (!this.#stopped) this.#take(text);
    });
    this.#socket.on('relay', (link: unknown, bytes: unknown) => {
      if (typeof link !== 'string') return;
      if (bytes instanceof ArrayBuffer) this.#relay(link, new Uint8Array(bytes));
      else if (bytes instanceof Uint8Array) this.#relay(link, bytes);
    });
  }

  /** Null until the first welcome. */
  get incarnation(): number | null {
    return this.#incarnation;
  }

  get iceServers(): Challenge['iceServers'] {
    return this.#iceServers;
  }

  start(): void {
    this.#socket.connect();
  }

  stop(): void {
    this.#outbox.flush();
    this.#stopped = true;
    this.#online = false;
    this.#socket.removeAllListeners();
    this.#socket.disconnect();
  }

  /** False, and nothing is sent, while the server has not welcomed this connection. */
  send(message: NodeMessage): boolean {
    if (!this.#online) return false;
    this.#outbox.add(encodeMessage(message));
    return true;
  }

  /** A message of a relayed link, ≤ a fragment and a byte. */
  sendRelay(link: string, bytes: Uint8Array): boolean {
    if (!this.#online) return false;
    this.#outbox.flush();
    this.#socket.emit('relay', link, bytes);
    return true;
  }

  /** Nothing for a later connection: socket.io would keep it while this one is down. */
  #emit(texts: readonly string[]): void {
    if (this.#online) this.#socket.emit('message', ...texts);
  }

  #take(text: unknown): void {
    const decoded = decodeServerMessage(text);
    if (!decoded.ok) {
      const protocol = protocolOf(text);
      const old = protocol !== null && protocol !== WIRE.protocolVersion;
      this.#end(old ? 'wire/version' : decoded.code, 'the server speaks another protocol');
      return;
    }
    const { message } = decoded;
    switch (message.type) {
      case 'challenge':
        void this.#answer(message);
        return;
      case 'welcome':
        this.#online = true;
        this.#incarnation = message.incarnation;
        this.#options.onEvent({
          type: 'online',
          incarnation: message.incarnation,
          resumed: message.resumed,
        });
        return;
      case 'goodbye':
        this.#end(message.code, message.message);
        return;
      case 'ping': {
        const progress = this.#options.progress().slice(0, WIRE.sessionsPerNodeMax);
        this.send({ type: 'pong', at: message.at, progress });
        this.#options.onEvent({ type: 'beat' });
        return;
      }
      default:
        this.#options.onEvent({ type: 'message', message });
    }
  }

  /**
   * M2. A server that names another origin than the one we dialled may be passing on somebody
   * else's challenge: our signature would let it speak in our name there.
   */
  async #answer(challenge: Challenge): Promise<void> {
    const connection = this.#connection;
    if (challenge.protocol !== WIRE.protocolVersion) {
      this.#end('wire/version', 'this page is out of date: reload it');
      return;
    }
    if (challenge.origin !== new URL(this.#options.url).origin) {
      this.#end('mesh/refused', `the server says that it is ${challenge.origin}`);
      return;
    }
    this.#iceServers = challenge.iceServers;
    try {
      const profile = await this.#options.profile(challenge);
      if (connection !== this.#connection || !this.#socket.connected) return;
      const hello = makeHello(this.#options.keys, challenge, {
        profile,
        resume: this.#incarnation,
      });
      this.#socket.emit('message', encodeMessage(hello));
    } catch (error) {
      const fault = toFault(error, 'mesh/refused');
      this.#end(fault.code, fault.message);
    }
  }

  #lose(reason: string): void {
    const wasOnline = this.#online;
    this.#online = false;
    if (wasOnline) this.#options.onEvent({ type: 'offline' });
    // socket.io takes a close by the server as final; ours says goodbye when it means that.
    if (reason === 'io server disconnect') {
      setTimeout(() => {
        if (!this.#stopped) this.#socket.connect();
      }, MESH.reconnectFirstMs);
    }
  }

  #relay(link: string, bytes: Uint8Array): void {
    if (this.#online) this.#options.onEvent({ type: 'relay', link, bytes });
  }

  #end(code: FaultCode, message: string): void {
    this.stop();
    this.#options.onEvent({ type: 'goodbye', code, message });
  }
}
