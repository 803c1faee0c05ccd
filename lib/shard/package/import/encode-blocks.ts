import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import { halfBits, halfValue } from './half.ts';
import { nearest, plainQ8Scale, putQ8 } from './q8-scale.ts';
import type { BlockPlace } from './source-types.ts';

/** Formats that values are rounded to; the others are only kept or repacked. */
export type EncodedType = Extract<TensorType, 'F32' | 'F16' | 'Q8_0' | 'Q4_1'>;

/** Writes the values of one block. */
type EncodeBlock = (values: Float32Array, place: BlockPlace) => void;

const ENCODERS: Readonly<Record<EncodedType, EncodeBlock>> = {
  F32: ([value = 0], { view, at }) => {
    view.setFloat32(at, value, true);
  },
  F16: ([value = 0], { view, at }) => {
    view.setUint16(at, halfBits(value), true);
  },
  Q8_0: (values, place) => {
    putQ8(place, values, plainQ8Scale(values));
  },
  Q4_1: (values, { view, at }) => {
    let [min, max] = [Infinity, -Infinity];
    for (const value of values) {
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
    const scale = putHalf(view, at, (max - min) / 15);
    const offset = putHalf(view, at + 2, min);
    const quant = (i: number): number =>
      scale === 0 ? 0 : clamp(nearest(((values[i] ?? 0) - offset) / scale), 15);
    for (let i = 0; i < 16; i += 1) view.setUint8(at + 4 + i, quant(i) | (quant(i + 16) << 4));
  },
};

const clamp = (value: number, max: number): number => Math.min(Math.max(value, 0), max);

/** Stores the nearest F16 and says which it is: quants are chosen for the scale that is stored. */
function putHalf(view: DataView, at: number, value: number): number {
  const bits = halfBits(value);
  view.setUint16(at, bits, true);
  return halfValue(bits);
}

export const isEncodedType = (type: TensorType): type is EncodedType =>
  Object.hasOwn(ENCODERS, type);

/** Whole blocks of the values, each to the nearest its format has. */
export function encodeBlocks(type: EncodedType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const block = BLOCK[type];
  const encode = ENCODERS[type];
  const out = new Uint8Array((values.length / block.values) * block.bytes);
  const view = new DataView(out.buffer);
  for (let from = 0, at = 0; from < values.length; from += block.values, at += block.bytes) {
    encode(values.subarray(from, from + block.values), { view, at });
  }
  return out;
}
