import { FaultError } from '#lib/kernel/errors.ts';

const LENGTH_BYTES = 4;

/** u32 length, then so many bytes. */
export const frameOf = (bytes: Uint8Array): Buffer => framesOf([bytes]);

/** One frame after the other. */
export function framesOf(all: readonly Uint8Array[]): Buffer {
  const length = all.reduce((sum, bytes) => sum + LENGTH_BYTES + bytes.length, 0);
  const frames = Buffer.allocUnsafe(length);
  let at = 0;
  for (const bytes of all) {
    at = frames.writeUInt32BE(bytes.length, at);
    frames.set(bytes, at);
    at += bytes.length;
  }
  return frames;
}

/** Cuts a stream into frames. Holds no more than what came of one frame, and refuses a length at sight. */
export class FrameReader {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A frame has begun and is not whole. */
  get isWithin(): boolean {
    return this.#held > 0;
  }

  /** Whole frames, in order. @throws FaultError `wire/too-large`, `wire/malformed`: close the stream. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    const frames: Uint8Array[] = [];
    for (;;) {
      const length = this.#length();
      if (length === null || this.#held < LENGTH_BYTES + length) return frames;
      const all = this.#joined();
      // No Buffer: its `slice` does not copy.
      frames.push(new Uint8Array(all.buffer, all.byteOffset + LENGTH_BYTES, length));
      const rest = all.subarray(LENGTH_BYTES + length);
      this.#parts = rest.length > 0 ? [rest] : [];
      this.#held -= LENGTH_BYTES + length;
    }
  }

  #length(): number | null {
    if (this.#held < LENGTH_BYTES) return null;
    if ((this.#parts[0]?.length ?? 0) < LENGTH_BYTES) this.#joined();
    const [first] = this.#parts;
    if (first === undefined) return null;
    const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getUint32(0);
    if (length === 0) throw new FaultError('wire/malformed', 'a frame of no bytes');
    if (length > this.#bytesMax) throw new FaultError('wire/too-large', 'a frame is too long');
    return length;
  }

  #joined(): Uint8Array {
    const [first] = this.#parts;
    const all = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }
}
