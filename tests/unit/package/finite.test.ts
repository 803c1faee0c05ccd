import { describe, expect, it } from 'vitest';
import { notFinite } from '#lib/shard/package/finite.ts';
import type { ManifestPart } from '#lib/shard/package/manifest.ts';
import { BLOCK, TENSOR_TYPES, type TensorType } from '#lib/webgpu/model.ts';

/** Two tensors of one type; `blocks` of the second begin at 64. */
const COLS = 96;
const ROWS = 3;
function partOf(type: TensorType) {
  const bytes = ((ROWS * COLS) / BLOCK[type].values) * BLOCK[type].bytes;
  const tensor = { type, rows: ROWS, cols: COLS, bytes };
  const second = Math.ceil(bytes / 64) * 64;
  const part = {
    tensors: [
      { name: 'first', offset: 0, ...tensor },
      { name: 'second', offset: second, ...tensor },
    ],
  } as unknown as ManifestPart;
  return { part, second, tensorBytes: bytes, data: new Uint8Array(second + bytes).fill(0x3b) };
}

/** Little-endian bytes of what is no finite number, and of the largest number, by format. */
const ODD: Readonly<Record<'F32' | 'F16' | 'BF16', { bad: number[][]; most: number[] }>> = {
  F32: {
    bad: [
      [0, 0, 0x80, 0x7f],
      [0, 0, 0x80, 0xff],
      [1, 0, 0xc0, 0x7f],
    ],
    most: [0xff, 0xff, 0x7f, 0x7f],
  },
  F16: {
    bad: [
      [0, 0x7c],
      [0, 0xfc],
      [1, 0x7e],
    ],
    most: [0xff, 0x7b],
  },
  BF16: {
    bad: [
      [0x80, 0x7f],
      [0x80, 0xff],
      [0xc1, 0x7f],
    ],
    most: [0x7f, 0x7f],
  },
};
const formatOf = (type: TensorType) => (type === 'F32' || type === 'BF16' ? type : 'F16');
const placesOf = (type: TensorType) => (type.endsWith('_1') ? [0, 2] : [0]);

describe.each(TENSOR_TYPES)('[K13] what is no finite number in %s', (type) => {
  const { bad, most } = ODD[formatOf(type)];
  const step = BLOCK[type].bytes;

  it('is found in each block, wherever a chunk ends', () => {
    const { part, second, tensorBytes, data } = partOf(type);
    expect(notFinite(part, { at: 0, bytes: data })).toEqual([]);
    for (let block = 0; block < tensorBytes; block += step) {
      for (const place of placesOf(type)) {
        const bytes = data.slice();
        const at = second + block + place;
        bytes.set(bad[block % bad.length] ?? [], at);
        expect(notFinite(part, { at: 0, bytes }), `at ${at}`).toEqual(['second']);
        const cut = at - (at % 4);
        const [before, after] = [bytes.subarray(0, cut), bytes.subarray(cut)];
        expect(notFinite(part, { at: 0, bytes: before })).toEqual([]);
        expect(notFinite(part, { at: cut, bytes: after })).toEqual(['second']);
      }
    }
  });

  it('is not the largest number, nor what lies in the quants or between tensors', () => {
    const { part, second, tensorBytes, data } = partOf(type);
    for (const place of placesOf(type)) data.set(most, second + place);
    for (let block = 0; block + 8 < step; block += step) data.fill(0xff, block + 4, block + step);
    data.fill(0xff, tensorBytes, second);
    expect(notFinite(part, { at: 0, bytes: data })).toEqual([]);
  });
});
