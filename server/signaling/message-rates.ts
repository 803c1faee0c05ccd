import type { InstantMs } from '#lib/kernel/units.ts';
import type { NodeMessage } from '#lib/shard/wire/node-messages.ts';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { KIND_PER_SECOND_MAX } from './limits.ts';
import { fullBucket, takeFrom, type TokenBucket } from './token-bucket.ts';

/** A node's message by what it costs to hear; what stages say of sessions is told apart. */
export type MessageKind =
  Exclude<NodeMessage['type'], 'session'> | `session/${StageMessage['type']}`;

export const kindOf = (message: NodeMessage): MessageKind =>
  message.type === 'session' ? `session/${message.message.type}` : message.type;

/** One socket's rate of each kind of message (M5). */
export class MessageRates {
  readonly #buckets = new Map<MessageKind, TokenBucket>();

  /** False where the socket has said more of this kind than a second allows. */
  allows(kind: MessageKind, now: InstantMs): boolean {
    const perSecond = KIND_PER_SECOND_MAX[kind];
    const before = this.#buckets.get(kind) ?? fullBucket(perSecond, now);
    const { bucket, waitMs } = takeFrom(before, 1, { perSecond, now });
    this.#buckets.set(kind, bucket);
    return waitMs === 0;
  }
}
