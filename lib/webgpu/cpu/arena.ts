import { FaultError } from '#lib/kernel/errors.ts';
import { CPU_LIMITS } from './limits.ts';

const WASM_PAGE_BYTES = 65_536;
const ALIGNMENT = 16;

/**
 * Hands out addresses of one WASM memory from low to high and grows it on demand. Nothing is given
 * back before the whole memory goes. Views are made anew after every growth.
 */
export class Arena {
  readonly #memory: WebAssembly.Memory;
  #next: number;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #floats: Float32Array;
  #doubles: Float64Array;

  constructor(memory: WebAssembly.Memory, heapBase: number) {
    this.#memory = memory;
    this.#next = roundUp(heapBase);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
  }

  /** Bytes handed out. What lies beyond is never touched, so that it costs no memory. */
  get size(): number {
    return this.#next;
  }

  /**
   * An address, 16-aligned, of `bytes` zero bytes.
   * @throws FaultError `engine/out-of-memory`; nothing has changed then.
   */
  allocate(bytes: number): number {
    const address = this.#next;
    const end = roundUp(address + bytes);
    this.#growTo(end);
    this.#next = end;
    return address;
  }

  bytesAt(address: number, length: number): Uint8Array {
    return this.#fresh().#bytes.subarray(address, address + length);
  }

  wordsAt(address: number, length: number): Uint32Array {
    return this.#fresh().#words.subarray(address / 4, address / 4 + length);
  }

  floatsAt(address: number, length: number): Float32Array {
    return this.#fresh().#floats.subarray(address / 4, address / 4 + length);
  }

  doublesAt(address: number, length: number): Float64Array {
    return this.#fresh().#doubles.subarray(address / 8, address / 8 + length);
  }

  #growTo(end: number): void {
    const size = this.#memory.buffer.byteLength;
    const missing = end - size;
    if (missing <= 0) return;
    const details = { bytes: end };
    if (end > CPU_LIMITS.memoryBytesMax) {
      throw new FaultError('engine/out-of-memory', 'a CPU stage holds at most 4 GiB', { details });
    }
    const room = CPU_LIMITS.memoryBytesMax - size;
    const step = Math.max(missing, Math.min(CPU_LIMITS.growthBytesMin, room));
    try {
      this.#memory.grow(Math.ceil(step / WASM_PAGE_BYTES));
    } catch (cause) {
      throw new FaultError('engine/out-of-memory', 'the machine gives no more memory', {
        cause,
        details,
      });
    }
  }

  #fresh(): this {
    const { buffer } = this.#memory;
    if (this.#bytes.buffer !== buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#words = new Uint32Array(buffer);
      this.#floats = new Float32Array(buffer);
      this.#doubles = new Float64Array(buffer);
    }
    return this;
  }
}

const roundUp = (address: number): number => Math.ceil(address / ALIGNMENT) * ALIGNMENT;
