import { MESH } from './limits.ts';
import { Ending, Mailbox } from './mailbox.ts';
import type { ByteChannel } from './types.ts';

/**
 * A byte channel over an `RTCDataChannel`, on whatever thread owns it: in a worker it may have been
 * transferred before it opened. Needs an ordered, reliable channel.
 */
export function rtcByteChannel(channel: RTCDataChannel): ByteChannel {
  return new RtcByteChannel(channel);
}

class RtcByteChannel implements ByteChannel {
  readonly #channel: RTCDataChannel;
  readonly #inbox = new Mailbox<Uint8Array<ArrayBuffer>>();
  readonly #ending = new Ending<void>();
  readonly #signalsDrain: boolean;
  #drained: () => void = () => undefined;
  /** Set by the event alone: Node's `readyState` may turn in the middle of a run of sends. */
  #open: boolean;
  /** Sent before the channel opened. */
  #early: Uint8Array<ArrayBuffer>[] = [];
  #earlyBytes = 0;
  /** Sent since the last look at a `bufferedAmount` that only another thread updates (Node). */
  #unseenBytes = 0;
  #polling = false;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    this.#open = channel.readyState === 'open';
    // A Blob would cost a trip to another process for every message.
    channel.binaryType = 'arraybuffer';
    this.#signalsDrain = typeof channel.bufferedAmountLowThreshold === 'number';
    if (this.#signalsDrain) {
      channel.bufferedAmountLowThreshold = MESH.lowMarkBytes;
      channel.addEventListener('bufferedamountlow', () => {
        this.#drained();
      });
    }
    channel.addEventListener('open', () => {
      this.#sendEarly();
    });
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) this.#inbox.put(new Uint8Array(data));
      else this.close();
    });
    channel.addEventListener('close', () => {
      this.#ending.happen();
    });
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ending.happened) return;
    if (!this.#open) {
      this.#early.push(bytes);
      this.#earlyBytes += bytes.length;
      return;
    }
    try {
      this.#channel.send(bytes);
    } catch {
      this.close();
      return;
    }
    if (this.#signalsDrain) return;
    this.#unseenBytes += bytes.length;
    if (this.bufferedBytes() > MESH.lowMarkBytes) this.#pollForDrain();
  }

  bufferedBytes(): number {
    return this.#earlyBytes + this.#channel.bufferedAmount + this.#unseenBytes;
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  onBytes(listener: (bytes: Uint8Array<ArrayBuffer>) => void): void {
    this.#inbox.listen(listener);
  }

  onClose(listener: () => void): void {
    this.#ending.listen(listener);
  }

  close(): void {
    this.#channel.close();
    this.#ending.happen();
  }

  #sendEarly(): void {
    this.#open = true;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const bytes of early) this.send(bytes);
  }

  #pollForDrain(): void {
    if (this.#polling) return;
    this.#polling = true;
    setTimeout(() => {
      this.#polling = false;
      this.#unseenBytes = 0;
      if (this.#ending.happened) return;
      if (this.bufferedBytes() > MESH.lowMarkBytes) this.#pollForDrain();
      else this.#drained();
    }, MESH.drainPollMs);
  }
}
