import { invariant, unreachable } from '#lib/kernel/assert.ts';
import { fromHalfBits } from '#lib/kernel/half.ts';
import { toFiniteHalfBits } from './half.ts';
import type { WireDtype } from './session-messages.ts';

/**
 * The values of rows on the wire. `f32`: as they lie. `f16`: binary16 each. `int8`: a row is its
 * outliers, its block scales and its bytes. The outliers are the few values of largest magnitude, an
 * index (u16) and fp32 each, for hidden states have channels that are thirty times the others, and a
 * block with one would keep nothing else (Dettmers et al., LLM.int8, 2022). A block is 32 values, the
 * last of a row what is left; its scale is a bfloat16, and signed byte × scale is the value.
 *
 * Rows stand for themselves: how a chunk is cut changes no bit (S9). A value that was rounded once is
 * not changed by rounding it again.
 */
const BLOCK_VALUES = 32;
const SCALE_BYTES = 2;
/** One outlier for so many values. */
const OUTLIER_VALUES = 128;
const OUTLIER_BYTES = 6;
/** The largest magnitude of a block is this many of its scale. */
const STEPS = 127;
/** Blocks of less are all zeros, and what is more is sent as this: their scales are normal numbers. */
const MAGNITUDE_MIN = 2 ** -100;
const MAGNITUDE_MAX = 2 ** 126;

/**
 * Why bytes are no values: a number that is none, a block whose scale is not that of its bytes, or
 * outliers out of order, out of the row, or in the place of another value.
 */
export type ValueRejection = 'not-finite' | 'scale' | 'outliers';

const blocksOf = (width: number): number => Math.ceil(width / BLOCK_VALUES);
const outliersOf = (width: number): number => Math.ceil(width / OUTLIER_VALUES);

/** Where the scales of a row begin, and its bytes. */
const scalesAt = (width: number): number => OUTLIER_BYTES * outliersOf(width);
const bytesAt = (width: number): number => scalesAt(width) + SCALE_BYTES * blocksOf(width);

/** Bytes of one row of `width` values. */
export function rowBytes(width: number, dtype: WireDtype): number {
  switch (dtype) {
    case 'f32':
      return 4 * width;
    case 'f16':
      return 2 * width;
    case 'int8':
      return bytesAt(width) + width;
    default:
      return unreachable(dtype);
  }
}

interface RowsShape {
  readonly width: number;
  readonly dtype: WireDtype;
}

/** Writes [rows × width] values; `payload` has just room for them. */
export function writeValues(payload: Uint8Array, data: Float32Array, shape: RowsShape): void {
  const { width, dtype } = shape;
  const rows = data.length / width;
  invariant(
    payload.length === rows * rowBytes(width, dtype),
    'a payload holds rows × width values',
  );
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  switch (dtype) {
    case 'f32':
      // WebAssembly, and so every node of ours, is little endian as the wire is.
      payload.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return;
    case 'f16':
      for (let i = 0; i < data.length; i += 1) {
        view.setUint16(2 * i, toFiniteHalfBits(data[i] as number), true);
      }
      return;
    case 'int8': {
      const stride = rowBytes(width, dtype);
      for (let row = 0; row < rows; row += 1) {
        const values = data.subarray(row * width, (row + 1) * width);
        const rowView = new DataView(payload.buffer, payload.byteOffset + row * stride, stride);
        writeBlocks(rowView, writeOutliers(rowView, values));
      }
      return;
    }
    default:
      return unreachable(dtype);
  }
}

/** @returns the other values; 0 in the place of an outlier. */
function writeOutliers(view: DataView, values: Float32Array): Float32Array {
  const rest = values.slice();
  for (const [at, index] of largestOf(values, outliersOf(values.length)).entries()) {
    view.setUint16(OUTLIER_BYTES * at, index, true);
    view.setFloat32(OUTLIER_BYTES * at + 2, values[index] as number, true);
    rest[index] = 0;
  }
  return rest;
}

/** Indices of the `count` values of largest magnitude, ascending; of equal ones the first. */
function largestOf(values: Float32Array, count: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    const magnitude = Math.abs(values[i] as number);
    let at = found.length;
    while (at > 0 && !(magnitude <= Math.abs(values[found[at - 1] as number] as number))) at -= 1;
    if (at >= count) continue;
    found.splice(at, 0, i);
    if (found.length > count) found.pop();
  }
  return found.sort((a, b) => a - b);
}

function writeBlocks(view: DataView, values: Float32Array): void {
  const [scales, bytes] = [scalesAt(values.length), bytesAt(values.length)];
  for (let first = 0; first < values.length; first += BLOCK_VALUES) {
    const end = Math.min(first + BLOCK_VALUES, values.length);
    let largest = 0;
    for (let i = first; i < end; i += 1) {
      largest = Math.max(largest, Math.abs(values[i] as number));
    }
    const bits = largest < MAGNITUDE_MIN ? 0 : scaleBits(largest);
    view.setUint16(scales + (first / BLOCK_VALUES) * SCALE_BYTES, bits, true);
    if (bits === 0) continue;
    const scale = scaleOf(bits);
    for (let i = first; i < end; i += 1) {
      const steps = Math.round((values[i] as number) / scale);
      view.setInt8(bytes + i, Math.max(-STEPS, Math.min(STEPS, steps)));
    }
  }
}

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** The bfloat16 at or below the scale of a block: no value may outgrow an outlier. NaN of NaN. */
function scaleBits(largest: number): number {
  single[0] = Math.min(largest, MAGNITUDE_MAX) / STEPS;
  const bits = (word[0] as number) >>> 16;
  if (Number.isNaN(largest)) return 0x7fc0;
  return scaleOf(bits) * STEPS > largest ? bits - 1 : bits;
}

function scaleOf(bits: number): number {
  word[0] = bits << 16;
  return single[0] as number;
}

const SCALE_MIN = scaleOf(scaleBits(MAGNITUDE_MIN));
const SCALE_MAX = scaleOf(scaleBits(MAGNITUDE_MAX));

/**
 * The values of a payload whose length is rows × `rowBytes`. Never throws: bytes come from a stranger,
 * and what no encoder of ours would have written is refused.
 */
export function readValues(payload: Uint8Array, shape: RowsShape): Float32Array | ValueRejection {
  const { width, dtype } = shape;
  const rows = payload.length / rowBytes(width, dtype);
  const data = new Float32Array(rows * width);
  if (dtype === 'f32') {
    new Uint8Array(data.buffer).set(payload);
  } else if (dtype === 'f16') {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    for (let i = 0; i < data.length; i += 1) data[i] = fromHalfBits(view.getUint16(2 * i, true));
  } else {
    const stride = rowBytes(width, dtype);
    for (let row = 0; row < rows; row += 1) {
      const view = new DataView(payload.buffer, payload.byteOffset + row * stride, stride);
      const values = data.subarray(row * width, (row + 1) * width);
      if (!readBlocks(view, values)) return 'scale';
      if (!readOutliers(view, values)) return 'outliers';
    }
  }
  return allFinite(data) ? data : 'not-finite';
}

/** False where a scale is not the one that its block was divided by: then its largest byte is 127. */
function readBlocks(view: DataView, values: Float32Array): boolean {
  const [scales, bytes] = [scalesAt(values.length), bytesAt(values.length)];
  for (let first = 0; first < values.length; first += BLOCK_VALUES) {
    const end = Math.min(first + BLOCK_VALUES, values.length);
    const bits = view.getUint16(scales + (first / BLOCK_VALUES) * SCALE_BYTES, true);
    const scale = scaleOf(bits);
    let largest = 0;
    for (let i = first; i < end; i += 1) {
      const byte = view.getInt8(bytes + i);
      largest = Math.max(largest, Math.abs(byte));
      values[i] = byte * scale;
    }
    const isZero = bits === 0 && largest === 0;
    const isScale = scale >= SCALE_MIN && scale <= SCALE_MAX && largest === STEPS;
    if (!isZero && !isScale) return false;
  }
  return true;
}

function readOutliers(view: DataView, values: Float32Array): boolean {
  let next = 0;
  for (let at = 0; at < outliersOf(values.length); at += 1) {
    const index = view.getUint16(OUTLIER_BYTES * at, true);
    if (index < next || index >= values.length || values[index] !== 0) return false;
    values[index] = view.getFloat32(OUTLIER_BYTES * at + 2, true);
    next = index + 1;
  }
  return true;
}

/** False where a value is NaN or an infinity. */
export function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i] as number) * 0;
  return sum === 0;
}
