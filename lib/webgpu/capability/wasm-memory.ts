import { MEASURE } from './limits.ts';

const PAGE_BYTES = 65_536;

/**
 * Bytes of one WebAssembly memory that this process can really have, up to `mostBytes`: phones and
 * 32-bit browsers refuse what desktops give. Only address space is taken, and for a moment.
 */
export function wasmMemoryBytes(mostBytes: number): number {
  for (let bytes = mostBytes; bytes > MEASURE.memoryBytesMin; bytes /= 2) {
    const pages = Math.floor(bytes / PAGE_BYTES);
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer.byteLength;
    } catch {
      // RangeError: it does not fit; half of it may.
    }
  }
  return Math.min(mostBytes, MEASURE.memoryBytesMin);
}
