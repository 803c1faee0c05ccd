import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT } from '../limits.ts';
import type { ByteFile } from './byte-file.ts';

export interface HeadRows {
  /** Of the tensor in the file. */
  readonly offset: number;
  readonly heads: number;
  readonly headDim: number;
  readonly rowBytes: number;
}

/**
 * Q or K of a GGUF llama in half-split row order, one head a piece.
 * The converter stored row j·D/2 + i of a head as row 2i + j (interleaved RoPE); this undoes it.
 * Whole rows move, so block formats lose nothing.
 */
export async function* readHalfSplit(
  file: ByteFile,
  at: HeadRows,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const headBytes = at.headDim * at.rowBytes;
  if (headBytes > IMPORT.headBytesMax) {
    throw new FaultError('package/too-large', `a head of ${headBytes} bytes`);
  }
  for (let head = 0; head < at.heads; head += 1) {
    yield halfSplit(await file.read(at.offset + head * headBytes, headBytes), at.rowBytes);
  }
}

/** One head's rows from interleaved to half-split order. */
export function halfSplit(rows: Uint8Array, rowBytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(rows.length);
  const half = rows.length / rowBytes / 2;
  for (let j = 0; j < 2; j += 1) {
    for (let i = 0; i < half; i += 1) {
      const from = (2 * i + j) * rowBytes;
      out.set(rows.subarray(from, from + rowBytes), (j * half + i) * rowBytes);
    }
  }
  return out;
}
