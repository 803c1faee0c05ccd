import { invariant, unreachable } from '#lib/kernel/assert.ts';
import { fromHalfBits } from '#lib/kernel/half.ts';
import { toHalfBits } from './half.ts';
import type { WireDtype } from './session-messages.ts';

/**
 * The values of rows on the wire. `f32`: as they lie. `f16`: binary16 each. `int8`: a row is its block
 * scales, bfloat16 each, then its values, a signed byte each; a block is 32 values, the last of a row
 * what is left, and byte × scale is the value. Rows stand for themselves: how a chunk is cut changes no
 * bit (S9). A value that was rounded once is not changed by rounding it again.
 */
const BLOCK_VALUES = 32;
const SCALE_BYTES = 2;
/** The largest magnitude of a block is this many of its scale. */
const STEPS = 127;
/** Blocks of less are all zeros, and what is more is sent as this: their scales are normal numbers. */
const MAGNITUDE_MIN = 2 ** -100;
const MAGNITUDE_MAX = 2 ** 126;

/** Why bytes are no values: a number that is none, or a block whose scale is not that of its bytes. */
export type ValueRejection = 'not-finite' | 'scale';

const blocksOf = (width: number): number => Math.ceil(width / BLOCK_VALUES);

/** Bytes of one row of `width` values. */
export function rowBytes(width: number, dtype: WireDtype): number {
  switch (dtype) {
    case 'f32':
      return 4 * width;
    case 'f16':
      return 2 * width;
    case 'int8':
      return width + SCALE_BYTES * blocksOf(width);
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
        view.setUint16(2 * i, toHalfBits(data[i] as number), true);
      }
      return;
    case 'int8': {
      const stride = rowBytes(width, dtype);
      for (let row = 0; row < rows; row += 1) {
        const values = data.subarray(row * width, (row + 1) * width);
        writeBlocks(
          new DataView(payload.buffer, payload.byteOffset + row * stride, stride),
          values,
        );
      }
      return;
    }
    default:
      return unreachable(dtype);
  }
}

function writeBlocks(view: DataView, values: Float32Array): void {
  const bytesAt = SCALE_BYTES * blocksOf(values.length);
  for (let first = 0; first < values.length; first += BLOCK_VALUES) {
    const end = Math.min(first + BLOCK_VALUES, values.length);
    let largest = 0;
    for (let i = first; i < end; i += 1) {
      largest = Math.max(largest, Math.abs(values[i] as number));
    }
    const bits = largest < MAGNITUDE_MIN ? 0 : scaleBits(largest);
    view.setUint16((first / BLOCK_VALUES) * SCALE_BYTES, bits, true);
    if (bits === 0) continue;
    const scale = scaleOf(bits);
    for (let i = first; i < end; i += 1) {
      const steps = Math.round((values[i] as number) / scale);
      view.setInt8(bytesAt + i, Math.max(-STEPS, Math.min(STEPS, steps)));
    }
  }
}

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** The bfloat16 nearest to the scale of a block, ties to even; of a NaN one. */
function scaleBits(largest: number): number {
  single[0] = Math.min(largest, MAGNITUDE_MAX) / STEPS;
  const bits = word[0] as number;
  return Number.isNaN(largest) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
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
      if (!readBlocks(view, data.subarray(row * width, (row + 1) * width))) return 'scale';
    }
  }
  return allFinite(data) ? data : 'not-finite';
}

/** False where a scale is not the one that its block was divided by: then its largest byte is 127. */
function readBlocks(view: DataView, values: Float32Array): boolean {
  const bytesAt = SCALE_BYTES * blocksOf(values.length);
  for (let first = 0; first < values.length; first += BLOCK_VALUES) {
    const end = Math.min(first + BLOCK_VALUES, values.length);
    const bits = view.getUint16((first / BLOCK_VALUES) * SCALE_BYTES, true);
    const scale = scaleOf(bits);
    let largest = 0;
    for (let i = first; i < end; i += 1) {
      const byte = view.getInt8(bytesAt + i);
      largest = Math.max(largest, Math.abs(byte));
      values[i] = byte * scale;
    }
    // Its values are none either: seen by who looks at all of them.
    if (!Number.isFinite(scale)) continue;
    const isZero = bits === 0 && largest === 0;
    const isScale = scale >= SCALE_MIN && scale <= SCALE_MAX && largest === STEPS;
    if (!isZero && !isScale) return false;
  }
  return true;
}

/** False where a value is NaN or an infinity. */
export function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i] as number) * 0;
  return sum === 0;
}
