import type { Socket } from 'socket.io';
import { Batch } from '#lib/kernel/batch.ts';
import { rateOf, TokenBucket } from '#lib/kernel/token-bucket.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { encodeMessage } from '#lib/shard/wire/message-codec.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { SIGNALING } from './limits.ts';
import { MessageRates } from './message-rates.ts';

/** A relayed message that waits for its sender's rate. */
interface Waiting {
  readonly dueAt: InstantMs;
  readonly bytes: number;
  readonly forward: () => void;
}

/** One socket and what only its own life needs: rates, awaited pings, the relay's waiting line. */
export class Connection {
  readonly id: string;
  readonly rates = new MessageRates();
  /** Set by the welcome. */
  node: { readonly id: NodeId; readonly incarnation: number } | null = null;
  readonly #socket: Socket;
  readonly #outbox = new Batch<string>((texts) => this.#emit(texts));
  readonly #messages: TokenBucket;
  readonly #relayed: TokenBucket;
  readonly #trains: TokenBucket;
  #pings: InstantMs[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #over = false;

  constructor(socket: Socket, now: InstantMs) {
    this.id = socket.id;
    this.#socket = socket;
    this.#messages = new TokenBucket(rateOf(SIGNALING.messagesPerSecondMax), now);
    this.#relayed = new TokenBucket(rateOf(SIGNALING.relayBytesPerSecondMax), now);
    this.#trains = new TokenBucket(SIGNALING.trainBytes, now);
  }

  /** After the end nothing is taken from the socket, however slowly it goes. */
  get over(): boolean {
    return this.#over;
  }

  send(message: ServerMessage): void {
    if (!this.#over) this.#outbox.add(encodeMessage(message));
  }

  sendRelay(link: string, bytes: Uint8Array): void {
    if (this.#over) return;
    this.#outbox.flush();
    this.#socket.emit('relay', link, bytes);
  }

  ping(at: InstantMs): void {
    this.#pings.push(at);
    if (this.#pings.length > SIGNALING.pingsAwaitedMax) this.#pings.shift();
    this.send({ type: 'ping', at });
  }

  /** Round trip of a ping of ours; null for an instant that we never sent, or heard before. */
  rttOf(at: number, now: InstantMs): number | null {
    const index = this.#pings.findIndex((sentAt) => sentAt === at);
    if (index < 0) return null;
    this.#pings.splice(0, index + 1);
    return now - at;
  }

  /** False where the socket sends more messages than its rate allows (M5). */
  allowsMessage(now: InstantMs): boolean {
    return this.#messages.take(1, now) === 0;
  }

  /** False where the socket measures its links more often than it should: trains pass by no rule (M4). */
  allowsTrain(bytes: number, now: InstantMs): boolean {
    return this.#trains.take(bytes, now) === 0;
  }

  /** Runs `forward` at the relay's rate and in order (M4); false where too much waits. */
  pace(bytes: number, forward: () => void, now: InstantMs): boolean {
    this.#relayed.spend(bytes, now);
    const waitMs = this.#relayed.waitMs(0, now);
    if (waitMs === 0 && this.#waiting.length === 0) {
      forward();
      return true;
    }
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > SIGNALING.relayQueuedBytesMax) return false;
    this.#waiting.push({ dueAt: (now + waitMs) as InstantMs, bytes, forward });
    this.#wake(waitMs);
    return true;
  }

  close(): void {
    if (this.#over) return;
    this.#outbox.flush();
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#socket.disconnect(true);
  }

  #emit(texts: readonly string[]): void {
    if (!this.#over) this.#socket.emit('message', ...texts);
  }

  #wake(waitMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#forwardFirst();
    }, waitMs);
  }

  #forwardFirst(): void {
    const first = this.#waiting.shift();
    if (!first || this.#over) return;
    this.#waitingBytes -= first.bytes;
    first.forward();
    const next = this.#waiting[0];
    if (next) this.#wake(Math.max(0, next.dueAt - first.dueAt));
  }
}
