import { rateOf, TokenBucket } from '#lib/kernel/token-bucket.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import { KIND_PER_SECOND_MAX } from './limits.ts';
import type { MessageKind } from './message-kind.ts';

/** One socket's rate of each kind of message (M5). */
export class MessageRates {
  readonly #buckets = new Map<MessageKind, TokenBucket>();

  /** False where the socket has said more of this kind than a second allows. */
  allows(kind: MessageKind, now: InstantMs): boolean {
    const bucket =
      this.#buckets.get(kind) ?? new TokenBucket(rateOf(KIND_PER_SECOND_MAX[kind]), now);
    this.#buckets.set(kind, bucket);
    return bucket.take(1, now) === 0;
  }
}
