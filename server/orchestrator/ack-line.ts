import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { OwnerMessage } from '#lib/shard/wire/session-messages.ts';

type Ack = Extract<OwnerMessage, { type: 'ack' }>;

interface Waiting {
  readonly incarnation: number;
  /** The newest of each session, and how many it stands for: acks are cumulative (S7). */
  readonly acks: Map<SessionId, { readonly ack: Ack; readonly count: number }>;
  readonly timer: NodeJS.Timeout;
}

export interface AckLineOptions {
  /** The longest that an ack waits. */
  readonly waitMs: number;
  /** With so many of one session all acks of its node leave. */
  readonly countMax: number;
}

/**
 * Acks wait for the next ones of the same node: nobody waits for them before the 16th token, and
 * one message a token would cost a tab and its browser as much as the token's way round.
 */
export class AckLine {
  readonly #send: (node: NodeId, incarnation: number, ack: Ack) => void;
  readonly #options: AckLineOptions;
  readonly #waiting = new Map<NodeId, Waiting>();

  constructor(
    options: AckLineOptions,
    send: (node: NodeId, incarnation: number, ack: Ack) => void,
  ) {
    this.#options = options;
    this.#send = send;
  }

  add(node: NodeId, incarnation: number, ack: Ack): void {
    const { acks } = this.#lineOf(node, incarnation);
    const count = (acks.get(ack.session)?.count ?? 0) + 1;
    acks.set(ack.session, { ack, count });
    if (count >= this.#options.countMax) this.flush(node);
  }

  /** What else is said to the node never passes its acks. */
  flush(node: NodeId): void {
    const waiting = this.#waiting.get(node);
    if (!waiting) return;
    this.#drop(node, waiting);
    for (const { ack } of waiting.acks.values()) this.#send(node, waiting.incarnation, ack);
  }

  close(): void {
    for (const [node, waiting] of this.#waiting) this.#drop(node, waiting);
  }

  #lineOf(node: NodeId, incarnation: number): Waiting {
    const before = this.#waiting.get(node);
    if (before?.incarnation === incarnation) return before;
    if (before) this.#drop(node, before);
    const timer = setTimeout(() => this.flush(node), this.#options.waitMs);
    const waiting: Waiting = { incarnation, acks: new Map(), timer };
    this.#waiting.set(node, waiting);
    return waiting;
  }

  #drop(node: NodeId, { timer }: Waiting): void {
    clearTimeout(timer);
    this.#waiting.delete(node);
  }
}
