import { MESH } from './limits.ts';
import { Ending, Mailbox } from './mailbox.ts';
import type { ByteChannel } from './types.ts';

/** What carries a credit channel's three messages: a `MessagePort`, a data channel, or the relay's socket. */
export interface Carrier {
  data(bytes: Uint8Array<ArrayBuffer>): void;
  credit(bytes: number): void;
  end(): void;
}

/**
 * Bytes over a carrier that does not say how much is on the way. The reader gives credit for what it
 * has read, so `bufferedBytes` counts all that is on the way, whatever lies between.
 */
export class CreditChannel implements ByteChannel {
  readonly #carrier: Carrier;
  readonly #manual: boolean;
  readonly #inbox = new Mailbox<Uint8Array<ArrayBuffer>>();
  readonly #ending = new Ending<void>();
  #drained: () => void = () => undefined;
  #onTheWay = 0;
  #unread = 0;
  #owed = 0;

  /** `manual`: the reader calls {@link credit} itself, when it has passed the bytes on. */
  constructor(carrier: Carrier, options: { readonly manual: boolean }) {
    this.#carrier = carrier;
    this.#manual = options.manual;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ending.happened) return;
    this.#onTheWay += bytes.length;
    this.#carrier.data(bytes);
  }

  bufferedBytes(): number {
    return this.#onTheWay;
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  onBytes(listener: (bytes: Uint8Array<ArrayBuffer>) => void): void {
    this.#inbox.listen((bytes) => {
      const { length } = bytes;
      listener(bytes);
      if (!this.#manual) this.credit(length);
    });
  }

  onClose(listener: () => void): void {
    this.#ending.listen(listener);
  }

  close(): void {
    if (this.#ending.happened) return;
    this.#carrier.end();
    this.#ending.happen();
  }

  /** Tells the sender, in portions, that `bytes` have been read. */
  credit(bytes: number): void {
    this.#unread -= bytes;
    this.#owed += bytes;
    if (this.#owed < MESH.creditEveryBytes || this.#ending.happened) return;
    this.#carrier.credit(this.#owed);
    this.#owed = 0;
  }

  /** From the carrier: the other end's data. A sender that ignores its window is cut off. */
  takeData(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ending.happened) return;
    this.#unread += bytes.length;
    if (this.#unread > MESH.unreadBytesMax) this.close();
    else this.#inbox.put(bytes);
  }

  /** From the carrier: the other end has read so much. */
  takeCredit(bytes: number): void {
    const before = this.#onTheWay;
    this.#onTheWay = Math.max(0, before - bytes);
    if (before > MESH.lowMarkBytes && this.#onTheWay <= MESH.lowMarkBytes) this.#drained();
  }

  /** From the carrier: the other end closed, or the carrier itself did. */
  takeEnd(): void {
    this.#ending.happen();
  }
}
