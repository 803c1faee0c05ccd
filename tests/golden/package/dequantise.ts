import { must } from '#lib/kernel/assert.ts';
import { BLOCK, type StoredTensor, type TensorType } from '#lib/webgpu/model.ts';

/** Plain words for tests: one value at a time, after ggml-quants.c `dequantize_row_*`. */
type ReadBlock = (view: DataView, at: number) => number[];

function half(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** Nibbles: the low halves of the 16 bytes are values 0–15, the high halves 16–31. */
const nibble = (view: DataView, at: number, i: number): number =>
  i < 16 ? view.getUint8(at + i) & 15 : view.getUint8(at + i - 16) >> 4;

/** Five bits: the fifth ones of all 32 values in a word before the nibbles. */
const five = (view: DataView, at: number, i: number): number =>
  nibble(view, at + 4, i) + 16 * ((view.getUint32(at, true) >>> i) & 1);

/** The upper half of an fp32 number. */
function bfloat(view: DataView, at: number): number {
  const wide = new DataView(new ArrayBuffer(4));
  wide.setUint16(2, view.getUint16(at, true), true);
  return wide.getFloat32(0, true);
}

const READERS: Readonly<Record<TensorType, ReadBlock>> = {
  F32: (view, at) => [view.getFloat32(at, true)],
  F16: (view, at) => [half(view, at)],
  Q8_0: (view, at) => range(32).map((i) => half(view, at) * view.getInt8(at + 2 + i)),
  Q4_0: (view, at) => range(32).map((i) => half(view, at) * (nibble(view, at + 2, i) - 8)),
  Q4_1: (view, at) =>
    range(32).map((i) =>
      Math.fround(Math.fround(half(view, at) * nibble(view, at + 4, i)) + half(view, at + 2)),
    ),
  BF16: (view, at) => [bfloat(view, at)],
  Q5_0: (view, at) => range(32).map((i) => half(view, at) * (five(view, at + 2, i) - 16)),
  Q5_1: (view, at) =>
    range(32).map((i) =>
      Math.fround(Math.fround(half(view, at) * five(view, at + 4, i)) + half(view, at + 2)),
    ),
};

/** All values of a stored tensor in fp32, row-major. */
export function dequantise(tensor: StoredTensor): Float32Array {
  const { bytes, type } = tensor;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: number[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK[type].bytes) {
    for (const value of READERS[type](view, at)) values.push(value);
  }
  return Float32Array.from(values);
}

export const valueAt = (values: ArrayLike<number>, index: number): number =>
  must(values[index], 'index inside');
