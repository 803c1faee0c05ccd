import type { InstantMs } from '#lib/kernel/units.ts';
import { KIND_PER_SECOND_MAX } from './limits.ts';
import type { MessageKind } from './message-kind.ts';
import { fullBucket, takeFrom, type TokenBucket } from './token-bucket.ts';

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
