import { invariant } from '#lib/kernel/assert.ts';
import type { TensorType } from '#lib/webgpu/model.ts';
import { IMPORT } from '../limits.ts';
import { decodeBlocks } from './decode-blocks.ts';
import { encodeBlocks, isEncodedType } from './encode-blocks.ts';
import { canRepack, repackBlocks } from './repack-blocks.ts';
import { SOURCE_BLOCK, type SourceType } from './source-types.ts';

/** Told the values of each slice and what became of them. */
export type OnConverted = (values: Float32Array, stored: Float32Array) => void;

export interface Conversion {
  readonly from: SourceType;
  readonly to: TensorType;
  readonly onConverted: OnConverted;
}

/**
 * Pieces of whole rows in another format, in slices of bounded size: the values of a slice are
 * all that is in memory, however large the tensor.
 */
export async function* convertPieces(
  pieces: AsyncIterable<Uint8Array>,
  conversion: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const block = SOURCE_BLOCK[conversion.from];
  const sliceBytes = (IMPORT.convertValues / block.values) * block.bytes;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += sliceBytes) {
      yield convertBlocks(piece.subarray(at, at + sliceBytes), conversion);
    }
  }
}

function convertBlocks(bytes: Uint8Array, conversion: Conversion): Uint8Array<ArrayBuffer> {
  const { from, to, onConverted } = conversion;
  const values = decodeBlocks(from, bytes);
  const stored = canRepack(from, to) ? repackBlocks(from, to, bytes) : encoded(to, values);
  onConverted(values, decodeBlocks(to, stored));
  return stored;
}

function encoded(to: TensorType, values: Float32Array): Uint8Array<ArrayBuffer> {
  invariant(isEncodedType(to), 'what is not encoded is kept or repacked');
  return encodeBlocks(to, values);
}
