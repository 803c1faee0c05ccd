import { concatBytes } from '#lib/kernel/bytes.ts';
import { priorityOf, type Frame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame, type FrameRejection } from '#lib/shard/wire/frame-codec.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';
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
  readonly #inbox = new Mailbox<readonly Frame[]>();
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

  /**
   * Together where they fit one message. Frames of one hop and epoch stay in order. After the end,
   * frames are dropped.
   */
  send(...frames: readonly Frame[]): void {
    for (const frame of frames) this.#enqueue(frame);
    this.#flush();
  }

  /** What one message of the peer brought. */
  onFrames(listener: (frames: readonly Frame[]) => void): void {
    this.#inbox.listen(listener);
  }

  onClose(listener: (why: FrameChannelEnd) => void): void {
    this.#ending.listen(listener);
  }

  close(): void {
    this.#end('closed');
  }

  #enqueue(frame: Frame): void {
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
    while (!this.#ending.happened) {
      const room = RING.bufferedBytesMax - this.#channel.bufferedBytes();
      const message = this.#nextMessage(Math.min(room, WIRE.fragmentBytesMax));
      if (!message) return;
      this.#counters.bytesSent += message.length;
      this.#channel.send(message);
    }
  }

  /** The most urgent fragments that fit `bytesMax` together; null where not even the first does. */
  #nextMessage(bytesMax: number): Uint8Array<ArrayBuffer> | null {
    const fragments: Uint8Array<ArrayBuffer>[] = [];
    for (let room = bytesMax; ;) {
      const lane = this.#lanes.find((queue) => queue.length > 0);
      const queued = lane?.[0];
      if (!lane || !queued || queued.outgoing.nextBytes > room) break;
      const fragment = queued.outgoing.next();
      fragments.push(fragment);
      room -= fragment.length;
      this.#queuedBytes -= fragment.length - FRAGMENT_HEADER_BYTES;
      if (queued.outgoing.leftBytes > 0) continue;
      lane.shift();
      this.#leave(queued.hop);
      this.#counters.framesSent += 1;
    }
    const [first] = fragments;
    return fragments.length > 1 ? concatBytes(fragments) : (first ?? null);
  }

  #leave(hop: string | null): void {
    const queued = hop === null ? undefined : this.#hops.get(hop);
    if (hop === null || !queued) return;
    queued.frames -= 1;
    if (queued.frames === 0) this.#hops.delete(hop);
  }

  #take(message: Uint8Array<ArrayBuffer>): void {
    if (this.#ending.happened) return;
    this.#counters.bytesReceived += message.length;
    const whole = this.#reassembly.take(message);
    if (whole === 'malformed') {
      this.#end(whole);
      return;
    }
    const frames: Frame[] = [];
    for (const bytes of whole) {
      const decoded = decodeFrame(bytes);
      if (!decoded.ok) {
        this.#end(decoded.why);
        return;
      }
      frames.push(decoded.frame);
    }
    this.#counters.framesReceived += frames.length;
    if (frames.length > 0) this.#inbox.put(frames);
  }

  #end(why: FrameChannelEnd): void {
    if (this.#ending.happen(why)) this.#channel.close();
  }
}

/** Frames with a seq belong to a hop of an epoch; acks stand for themselves. */
const hopOf = (frame: Frame): string | null =>
  frame.type === 'chunk-ack' ? null : `${frame.session}/${frame.epoch}/${frame.place}`;
