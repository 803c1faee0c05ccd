import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { OwnerMessage } from '#lib/shard/wire/session-messages.ts';

type Ack = Extract<OwnerMessage, { type: 'ack' }>;

interface Waiting {
  readonly incarnation: number;
  /** The newest of each session: acks are cumulative (S7). */
  readonly acks: Map<SessionId, Ack>;
}

/**
 * Acks wait a moment for the next ones of the same node: nobody waits for them before the 16th
 * token, and one message a token would cost a tab and its browser as much as the token's way round.
 */
export class AckLine {
  readonly #send: (node: NodeId, incarnation: number, ack: Ack) => void;
  readonly #waitMs: number;
  readonly #waiting = new Map<NodeId, Waiting>();
  #timer: NodeJS.Timeout | null = null;

  constructor(waitMs: number, send: (node: NodeId, incarnation: number, ack: Ack) => void) {
    this.#waitMs = waitMs;
    this.#send = send;
  }

  add(node: NodeId, incarnation: number, ack: Ack): void {
    if (this.#waiting.get(node)?.incarnation !== incarnation) {
      this.#waiting.set(node, { incarnation, acks: new Map() });
    }
    this.#waiting.get(node)?.acks.set(ack.session, ack);
    this.#timer ??= setTimeout(() => this.#leaveAll(), this.#waitMs);
  }

  /** What else is said to the node never passes its acks. */
  flush(node: NodeId): void {
    const waiting = this.#waiting.get(node);
    if (!waiting) return;
    this.#waiting.delete(node);
    for (const ack of waiting.acks.values()) this.#send(node, waiting.incarnation, ack);
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #leaveAll(): void {
    this.#timer = null;
    for (const node of [...this.#waiting.keys()]) this.flush(node);
  }
}
