import { PACKAGE } from './limits.ts';

/** Room for so many bytes; what lies in it before it is written is anything. */
export type Allocate = (bytes: number) => Uint8Array<ArrayBuffer>;

/**
 * Memory of chunks on their way, used again and again: hundreds of megabytes of weights pass through
 * a few buffers, instead of leaving as many behind until garbage is collected.
 */
export class ChunkBuffers {
  #free: ArrayBuffer[] = [];
  /** Weak: what got lost with a failed fetch is garbage like everything else. */
  readonly #lent = new WeakSet<ArrayBuffer>();

  readonly take: Allocate = (bytes) => {
    if (bytes > PACKAGE.chunkBytesMax) return new Uint8Array(bytes);
    const buffer = this.#free.pop() ?? new ArrayBuffer(PACKAGE.chunkBytesMax);
    this.#lent.add(buffer);
    return new Uint8Array(buffer, 0, bytes);
  };

  /** Nobody looks at these bytes any more. Bytes that were not taken here are left alone. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (this.#lent.delete(buffer)) this.#free.push(buffer);
  }

  /** The way is empty for now: memory that waits for nothing may be collected. */
  forget(): void {
    this.#free = [];
  }
}
