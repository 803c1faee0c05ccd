import { describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { StoredTensor, TensorType } from '#lib/webgpu/model.ts';
import { BLOCK_VALUES, floatRows, ZERO_CODE } from '#lib/webgpu/gpu/weights/formats.ts';
import { packMatrix, type PackedMatrix } from '#lib/webgpu/gpu/weights/pack-matrix.ts';
import { firstDifference } from '#tests/support/stages.ts';
import { rawBlocks } from '../../golden/engine/expected.ts';

const READ = ['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'];
const cases = rawBlocks().filter(({ type }) => READ.includes(type));

const floatsOf = (base64: string): Float32Array => {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
};

/** What MatMulNBits and the block sums make of a packed weight, by their definitions. */
function weightOf(
  packed: Extract<PackedMatrix, { kind: 'blocks' }>,
  { row, col, rows, cols }: { row: number; col: number; rows: number; cols: number },
): number {
  const { bits, codes, scales, offsets } = packed;
  const blocks = cols / BLOCK_VALUES;
  const block = Math.floor(col / BLOCK_VALUES);
  const bit = (row * cols + col) * bits;
  const code = ((codes[bit >> 3] ?? 0) >> (bit & 7)) & (2 ** bits - 1);
  const scaled = must(scales[row * blocks + block], 'scale') * (code - ZERO_CODE[bits]);
  return scaled + (offsets ? must(offsets[block * rows + row], 'offset') : 0);
}

describe.each(cases)('$type', ({ type, rows, columns: cols, rawBase64, float32Base64 }) => {
  const expected = floatsOf(float32Base64);
  const bytes = Uint8Array.from(Buffer.from(rawBase64, 'base64'));
  const tensor: StoredTensor = { type: type as TensorType, rows, cols, bytes };

  it('[D2] reads a row to the bit as the reference does', () => {
    const read = Array.from({ length: rows }, (_, row) => [...floatRows(tensor, row, 1)]).flat();
    expect(firstDifference(Float32Array.from(read), expected)).toBe(-1);
  });

  it('[D2] packs a matrix without loss', () => {
    const packed = packMatrix(tensor);
    for (let row = 0; row < rows; row += 1) {
      for (let col = 0; col < cols; col += 1) {
        const weight =
          packed.kind === 'floats'
            ? must(packed.values[col * rows + row], 'weight')
            : weightOf(packed, { row, col, rows, cols });
        const wanted = must(expected[row * cols + col], 'value');
        // Minima move to the code that stands for zero: one rounding of an fp32 sum.
        expect(Math.abs(weight - wanted)).toBeLessThanOrEqual(2 ** -23 * 16 * Math.abs(wanted));
      }
    }
  });
});

it('[D2] has a case for every format', () => {
  expect(cases.map(({ type }) => type).sort()).toEqual([...READ].sort());
});
