import { concatBytes } from '#lib/kernel/bytes.ts';
import type { FramePriority } from '#lib/shard/wire/frame.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';

/**
 * A frame travels as fragments of at most 64 KiB, so that another lane's frame can pass at each
 * border (S12). Fragment: u8 version, u8 lane, u16 0, u32 bytes of the whole frame (little endian),
 * then its next bytes; every fragment but the last of a frame is full. A message is one fragment or
 * several: what one step sends to one peer arrives together, and can be computed together.
 */
export const FRAGMENT_HEADER_BYTES = 8;
const BODY_BYTES = WIRE.fragmentBytesMax - FRAGMENT_HEADER_BYTES;
const VERSION = 1;
const LANES = 3;

export type Lane = FramePriority;

/** A frame being sent: its bytes stand after a free header's room; `sent` counts frame bytes. */
export class OutgoingFrame {
  readonly lane: Lane;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #sent = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, lane: Lane) {
    this.#bytes = bytes;
    this.lane = lane;
  }

  get frameBytes(): number {
    return this.#bytes.length - FRAGMENT_HEADER_BYTES;
  }

  get leftBytes(): number {
    return this.frameBytes - this.#sent;
  }

  /** Bytes of the next fragment, header included. */
  get nextBytes(): number {
    return FRAGMENT_HEADER_BYTES + Math.min(BODY_BYTES, this.leftBytes);
  }

  next(): Uint8Array<ArrayBuffer> {
    const size = this.nextBytes;
    // A copy of its own for each, as channels transfer what they are given; one alone needs none.
    const fragment =
      size === this.#bytes.length ? this.#bytes : this.#bytes.slice(this.#sent, this.#sent + size);
    const view = new DataView(fragment.buffer);
    view.setUint32(0, VERSION | (this.lane << 8), true);
    view.setUint32(4, this.frameBytes, true);
    this.#sent += size - FRAGMENT_HEADER_BYTES;
    return fragment;
  }
}

interface Partial {
  readonly frameBytes: number;
  readonly parts: Uint8Array[];
  gotBytes: number;
}

/** Puts fragments together again; holds at most one unfinished frame a lane. */
export class Reassembly {
  readonly #lanes: (Partial | null)[] = Array.from({ length: LANES }, () => null);

  /** The frames that this message completes, in order; `malformed` from a stranger. */
  take(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] | 'malformed' {
    if (message.length === 0 || message.length > WIRE.fragmentBytesMax) return 'malformed';
    const frames: Uint8Array<ArrayBuffer>[] = [];
    for (let rest = message; rest.length > 0;) {
      const taken = this.#takeFragment(rest);
      if (taken === 'malformed') return taken;
      if (taken.frame) frames.push(taken.frame);
      rest = rest.subarray(taken.bytes);
    }
    return frames;
  }

  /** The fragment at the front: its bytes, and the frame that it completes. */
  #takeFragment(
    message: Uint8Array<ArrayBuffer>,
  ): { readonly bytes: number; readonly frame: Uint8Array<ArrayBuffer> | null } | 'malformed' {
    if (message.length <= FRAGMENT_HEADER_BYTES) return 'malformed';
    const view = new DataView(message.buffer, message.byteOffset);
    const head = view.getUint32(0, true);
    const lane = head >>> 8;
    const frameBytes = view.getUint32(4, true);
    if ((head & 0xff) !== VERSION || lane >= LANES) return 'malformed';
    if (frameBytes === 0 || frameBytes > WIRE.frameBytesMax) return 'malformed';
    const partial = this.#lanes[lane] ?? { frameBytes, parts: [], gotBytes: 0 };
    if (partial.frameBytes !== frameBytes) return 'malformed';
    const bytes = FRAGMENT_HEADER_BYTES + Math.min(BODY_BYTES, frameBytes - partial.gotBytes);
    if (message.length < bytes) return 'malformed';
    const body = message.subarray(FRAGMENT_HEADER_BYTES, bytes);
    if (body.length === frameBytes) return { bytes, frame: body };
    partial.parts.push(body);
    partial.gotBytes += body.length;
    const whole = partial.gotBytes === frameBytes;
    this.#lanes[lane] = whole ? null : partial;
    return { bytes, frame: whole ? concatBytes(partial.parts) : null };
  }
}
