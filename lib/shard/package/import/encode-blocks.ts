import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import { newQuants, putHalf, putHalfBits, putNibbles } from './block-bytes.ts';
import { halfBits } from './half.ts';
import { nearest, plainQ8Scale, putQ8 } from './q8-scale.ts';
import type { BlockPlace } from './source-types.ts';

/** Formats that values are rounded to; the others are only kept or repacked. */
export type EncodedType = Extract<TensorType, 'F32' | 'F16' | 'Q8_0' | 'Q4_1'>;

/** Writes one block: its values from `from` on. */
type EncodeBlock = (values: Float32Array, from: number, place: BlockPlace) => void;

const wide = new DataView(new ArrayBuffer(4));
const scratch = newQuants();

const ENCODERS: Readonly<Record<EncodedType, EncodeBlock>> = {
  F32: (values, from, { bytes, at }) => {
    wide.setFloat32(0, values[from] ?? 0, true);
    for (let i = 0; i < 4; i += 1) bytes[at + i] = wide.getUint8(i);
  },
  F16: (values, from, { bytes, at }) => {
    putHalfBits(bytes, at, halfBits(values[from] ?? 0));
  },
  Q8_0: (values, from, place) => {
    const block = values.subarray(from, from + 32);
    putQ8(place, block, plainQ8Scale(block));
  },
  Q4_1: (values, from, { bytes, at }) => {
    let [min, max] = [Infinity, -Infinity];
    for (let i = from; i < from + 32; i += 1) {
      min = Math.min(min, values[i] ?? 0);
      max = Math.max(max, values[i] ?? 0);
    }
    const scale = putHalf(bytes, at, (max - min) / 15);
    const offset = putHalf(bytes, at + 2, min);
    for (let i = 0; i < 32; i += 1) {
      const q = scale === 0 ? 0 : nearest(((values[from + i] ?? 0) - offset) / scale);
      scratch[i] = Math.min(Math.max(q, 0), 15);
    }
    putNibbles(bytes, at + 4, scratch);
  },
};

export const isEncodedType = (type: TensorType): type is EncodedType =>
  Object.hasOwn(ENCODERS, type);

/** Whole blocks of the values, each to the nearest its format has. */
export function encodeBlocks(type: EncodedType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const block = BLOCK[type];
  const encode = ENCODERS[type];
  const bytes = new Uint8Array((values.length / block.values) * block.bytes);
  const place = { bytes, at: 0 };
  for (let from = 0; from < values.length; from += block.values, place.at += block.bytes) {
    encode(values, from, place);
  }
  return bytes;
}
