import { priorityOf, type Frame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame, type FrameRejection } from '#lib/shard/wire/frame-codec.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { FRAGMENT_HEADER_BYTES, OutgoingFrame, Reassembly, type Lane } from './fragments.ts';
import { MESH } from './limits.ts';
import { Ending, Mailbox } from './mailbox.ts';
import type { ByteChannel } from './types.ts';

/**
 * How a frame channel ended: `closed` by either end or the network, `overflow` because the link is
 * too slow for what was sent, else a peer that sent what is not a frame (M4: `reject-peer`).
 */
export type FrameChannelEnd = 'closed' | 'overflow' | FrameRejection;

export interface FrameCounters {
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Fragments with their headers, as handed to the byte channel. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

interface Queued {
  readonly outgoing: OutgoingFrame;
  readonly hop: string | null;
}

/**
 * Frames over a byte channel, in the thread that computes. At each fragment border the most urgent
 * lane goes first (S12); the channel never holds more than 256 KiB, the rest waits here, in order.
 */
export class FrameChannel {
  readonly #channel: ByteChannel;
  readonly #lanes: readonly [Queued[], Queued[], Queued[]] = [[], [], []];
  /** Hops with frames in the queue: their lane and how many. */
  readonly #hops = new Map<string, { readonly lane: Lane; frames: number }>();
  readonly #reassembly = new Reassembly();
  readonly #inbox = new Mailbox<Frame>();
  readonly #ending = new Ending<FrameChannelEnd>();
  readonly #counters = { framesSent: 0, framesReceived: 0, bytesSent: 0, bytesReceived: 0 };
  #queuedBytes = 0;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    channel.onDrain(() => {
      this.#flush();
    });
    channel.onBytes((bytes) => {
      this.#take(bytes);
    });
    channel.onClose(() => {
      this.#ending.happen('closed');
    });
  }

  get counters(): FrameCounters {
    return { ...this.#counters };
  }

  /** Bytes that wait here, not counting what the byte channel holds. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Frames of one hop and epoch stay in order. After the end, frames are dropped. */
  send(frame: Frame): void {
    if (this.#ending.happened) return;
    const hop = hopOf(frame);
    const outgoing = new OutgoingFrame(
      encodeFrame(frame, FRAGMENT_HEADER_BYTES),
      this.#laneFor(frame, hop),
    );
    if (this.#queuedBytes + outgoing.leftBytes > MESH.queuedBytesMax) {
      this.#end('overflow');
      return;
    }
    this.#queuedBytes += outgoing.leftBytes;
    this.#lanes[outgoing.lane].push({ outgoing, hop });
    this.#flush();
  }

  onFrame(listener: (frame: Frame) => void): void {
    this.#inbox.listen(listener);
  }

  onClose(listener: (why: FrameChannelEnd) => void): void {
    this.#ending.listen(listener);
  }

  close(): void {
    this.#end('closed');
  }

  /**
   * A frame never passes an earlier one of its hop, whose seq it continues: the last chunk of a
   * prefill may have a single row, and would else overtake the chunks before it.
   */
  #laneFor(frame: Frame, hop: string | null): Lane {
    const own = priorityOf(frame);
    if (hop === null) return own;
    const queued = this.#hops.get(hop);
    const lane = queued && queued.lane > own ? queued.lane : own;
    this.#hops.set(hop, { lane, frames: (queued?.frames ?? 0) + 1 });
    return lane;
  }

  #flush(): void {
    for (;;) {
      const lane = this.#lanes.find((queue) => queue.length > 0);
      const queued = lane?.[0];
      if (!lane || !queued || this.#ending.happened) return;
      const { outgoing } = queued;
      if (this.#channel.bufferedBytes() + outgoing.nextBytes > RING.bufferedBytesMax) return;
      const fragment = outgoing.next();
      this.#queuedBytes -= fragment.length - FRAGMENT_HEADER_BYTES;
      this.#counters.bytesSent += fragment.length;
      if (outgoing.leftBytes === 0) {
        lane.shift();
        this.#leave(queued.hop);
        this.#counters.framesSent += 1;
      }
      this.#channel.send(fragment);
    }
  }

  #leave(hop: string | null): void {
    const queued = hop === null ? undefined : this.#hops.get(hop);
    if (hop === null || !queued) return;
    queued.frames -= 1;
    if (queued.frames === 0) this.#hops.delete(hop);
  }

  #take(fragment: Uint8Array<ArrayBuffer>): void {
    if (this.#ending.happened) return;
    this.#counters.bytesReceived += fragment.length;
    const bytes = this.#reassembly.take(fragment);
    if (bytes === null) return;
    if (bytes === 'malformed') {
      this.#end('malformed');
      return;
    }
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      this.#end(decoded.why);
      return;
    }
    this.#counters.framesReceived += 1;
    this.#inbox.put(decoded.frame);
  }

  #end(why: FrameChannelEnd): void {
    if (this.#ending.happen(why)) this.#channel.close();
  }
}

/** Frames with a seq belong to a hop of an epoch; acks stand for themselves. */
const hopOf = (frame: Frame): string | null =>
  frame.type === 'chunk-ack' ? null : `${frame.session}/${frame.epoch}/${frame.place}`;
