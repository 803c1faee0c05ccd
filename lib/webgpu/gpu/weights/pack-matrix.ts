import type { StoredTensor } from '../../model.ts';
import { BLOCK_VALUES, floatRows, formatOf, type Format } from './formats.ts';

/**
 * A matrix [rows = outputs N, cols = inputs K] as the graph's operators take it.
 * `floats`: MatMul's right side, [K, N]. `blocks`: MatMulNBits's, codes [N, K / 32, 4 × bits] and
 * scales [N × K / 32]; where `offsets` [K / 32, N] are there, they times the sums of each 32 inputs
 * have to be added: the operator has no zero points that are not whole.
 */
export type PackedMatrix =
  | { readonly kind: 'floats'; readonly values: Float32Array }
  | {
      readonly kind: 'blocks';
      readonly bits: 4 | 8;
      readonly codes: Uint8Array;
      readonly scales: Float32Array;
      readonly offsets: Float32Array | null;
    };

/** @throws FaultError `engine/unsupported` for a type that this engine does not read. */
export function packMatrix(tensor: StoredTensor): PackedMatrix {
  const format = formatOf(tensor.type);
  return format.kind === 'floats' ? transposed(tensor) : packBlocks(tensor, format);
}

function transposed(tensor: StoredTensor): PackedMatrix {
  const { rows, cols } = tensor;
  const values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row += 1) {
    const floats = floatRows(tensor, row, 1);
    for (let col = 0; col < cols; col += 1) values[col * rows + row] = floats[col] ?? 0;
  }
  return { kind: 'floats', values };
}

function packBlocks(
  { rows, cols, bytes }: StoredTensor,
  format: Extract<Format, { kind: 'blocks' }>,
): PackedMatrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rowBlocks = cols / BLOCK_VALUES;
  const blobBytes = 4 * format.bits;
  const codes = new Uint8Array(BLOCK_VALUES);
  const packed = new Uint8Array(rows * rowBlocks * blobBytes);
  const scales = new Float32Array(rows * rowBlocks);
  const offsets = format.symmetric ? null : new Float32Array(rowBlocks * rows);
  for (let block = 0; block < rows * rowBlocks; block += 1) {
    const { scale, offset } = format.read(view, block * format.bytes, codes);
    scales[block] = scale;
    if (offsets) offsets[(block % rowBlocks) * rows + Math.floor(block / rowBlocks)] = offset;
    const blob = packed.subarray(block * blobBytes, (block + 1) * blobBytes);
    if (format.bits === 8) blob.set(codes);
    else pairs(codes, blob);
  }
  return { kind: 'blocks', bits: format.bits, codes: packed, scales, offsets };
}

/** MatMulNBits keeps neighbours in one byte, the first in the low half. */
function pairs(codes: Uint8Array, blob: Uint8Array): void {
  for (let i = 0; i < blob.length; i += 1) {
    blob[i] = (codes[2 * i] ?? 0) | ((codes[2 * i + 1] ?? 0) << 4);
  }
}
