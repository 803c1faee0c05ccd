import { concatBytes } from '#lib/kernel/bytes.ts';
import type { FramePriority } from '#lib/shard/wire/frame.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';

/**
 * A frame travels as fragments of at most 64 KiB, so that another lane's frame can pass at each
 * border (S12). Fragment: u8 version, u8 lane, u16 0, u32 bytes of the whole frame (little endian),
 * then its next bytes; every fragment but the last of a frame is full.
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

  /** The frame that this fragment completes, null where it does not, `malformed` from a stranger. */
  take(fragment: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null | 'malformed' {
    if (fragment.length <= FRAGMENT_HEADER_BYTES || fragment.length > WIRE.fragmentBytesMax) {
      return 'malformed';
    }
    const view = new DataView(fragment.buffer, fragment.byteOffset);
    const head = view.getUint32(0, true);
    const lane = head >>> 8;
    const frameBytes = view.getUint32(4, true);
    if ((head & 0xff) !== VERSION || lane >= LANES) return 'malformed';
    if (frameBytes > WIRE.frameBytesMax) return 'malformed';
    const partial = this.#lanes[lane] ?? { frameBytes, parts: [], gotBytes: 0 };
    const body = fragment.subarray(FRAGMENT_HEADER_BYTES);
    const expected = Math.min(BODY_BYTES, partial.frameBytes - partial.gotBytes);
    if (partial.frameBytes !== frameBytes || body.length !== expected) return 'malformed';
    if (body.length === frameBytes) return body;
    partial.parts.push(body);
    partial.gotBytes += body.length;
    const whole = partial.gotBytes === frameBytes;
    this.#lanes[lane] = whole ? null : partial;
    return whole ? concatBytes(partial.parts) : null;
  }
}
