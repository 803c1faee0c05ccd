import type { NodeId } from '#lib/kernel/ids.ts';
import { dataBytesOf, decodeLinkMessage, encodeLinkMessage } from '#lib/shard/mesh/link-message.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { SIGNALING } from './limits.ts';
import type { Pair } from './registry.ts';

/** What the relay does with one message. */
export type RelayVerdict =
  /** `isTrain`: it measures the link and carries nothing, and may come as often as a node measures. */
  | { readonly type: 'forward'; readonly to: NodeId; readonly isTrain: boolean }
  /** Not allowed now: dropped; the sender gets its credit back, or its window would shrink. */
  | { readonly type: 'return-credit'; readonly bytes: Uint8Array }
  /** The sender ignores its window. */
  | { readonly type: 'part'; readonly peer: NodeId }
  | { readonly type: 'refuse' };

export type RelayRule = (from: NodeId, to: NodeId) => boolean;

/** Judges relayed messages (M4, M6) and counts what crosses the server (A4). */
export class Relay {
  /** Bytes that were forwarded and not credited yet, by receiver; gone with the pair. */
  readonly #onTheWay = new WeakMap<Pair, Map<NodeId, number>>();
  /** Nobody relays frames before the orchestrator says who may. */
  #rule: RelayRule = () => false;
  #relayedBytes = 0;

  get relayedBytes(): number {
    return this.#relayedBytes;
  }

  setRule(rule: RelayRule): void {
    this.#rule = rule;
  }

  judge(pair: Pair, from: NodeId, bytes: Uint8Array): RelayVerdict {
    if (bytes.length > WIRE.fragmentBytesMax + 1) return { type: 'refuse' };
    const to = pair.a === from ? pair.b : pair.a;
    const dataBytes = dataBytesOf(bytes);
    if (dataBytes > 0) return this.#judgeData(pair, { from, to }, dataBytes);
    const message = decodeLinkMessage(bytes);
    if (!message) return { type: 'refuse' };
    if (message.type === 'credit') this.#count(pair, from, -message.bytes);
    return { type: 'forward', to, isTrain: message.type === 'car' };
  }

  #judgeData(
    pair: Pair,
    { from, to }: { readonly from: NodeId; readonly to: NodeId },
    dataBytes: number,
  ): RelayVerdict {
    if (!this.#rule(from, to)) {
      const bytes = encodeLinkMessage({ type: 'credit', bytes: dataBytes });
      return { type: 'return-credit', bytes };
    }
    const onTheWay = this.#count(pair, to, dataBytes);
    if (onTheWay > SIGNALING.relayWindowBytesMax) return { type: 'part', peer: to };
    this.#relayedBytes += dataBytes;
    return { type: 'forward', to, isTrain: false };
  }

  #count(pair: Pair, receiver: NodeId, bytes: number): number {
    const counts = this.#onTheWay.get(pair) ?? new Map<NodeId, number>();
    this.#onTheWay.set(pair, counts);
    const count = Math.max(0, (counts.get(receiver) ?? 0) + bytes);
    counts.set(receiver, count);
    return count;
  }
}
