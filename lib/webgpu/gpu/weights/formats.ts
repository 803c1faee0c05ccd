import { FaultError } from '#lib/kernel/errors.ts';
import type { StoredTensor } from '../../model.ts';
import { fromHalfBits } from '#lib/kernel/half.ts';

/** Weights of a block: 32 values along a row (ggml-quants.h). */
export const BLOCK_VALUES = 32;

/** A format of single values. */
interface FloatFormat {
  readonly kind: 'floats';
  readonly bytes: number;
  read(view: DataView, at: number): number;
}

/** What a block says besides its codes: weight = scale × (code − `ZERO_CODE`) + offset. */
export interface BlockScale {
  readonly scale: number;
  readonly offset: number;
}

/** A format of blocks of 32: whole-number codes from 0, a scale, an offset. */
interface BlockFormat {
  readonly kind: 'blocks';
  readonly bytes: number;
  /** Bits of a code as MatMulNBits takes it: five-bit codes go as eight, without loss. */
  readonly bits: 4 | 8;
  /** The code that MatMulNBits takes for zero is the format's zero: offsets are 0. */
  readonly symmetric: boolean;
  /** Writes 32 codes in the order of the row. `at` is the block's first byte. */
  read(view: DataView, at: number, codes: Uint8Array): BlockScale;
}

export type Format = FloatFormat | BlockFormat;

/** The code that stands for 0 where MatMulNBits gets no zero points: the middle of its range. */
export const ZERO_CODE = { 4: 8, 8: 128 } as const;

const half = (view: DataView, at: number): number => fromHalfBits(view.getUint16(at, true));

/** ggml keeps value i in the low half of byte i, and value i + 16 in the high half. */
function nibbles(view: DataView, at: number, codes: Uint8Array): void {
  for (let i = 0; i < BLOCK_VALUES / 2; i += 1) {
    const byte = view.getUint8(at + i);
    codes[i] = byte & 15;
    codes[i + 16] = byte >> 4;
  }
}

/** The fifth bit of value i is bit i of a word beside the nibbles; `add` moves the zero. */
function fifthBits(codes: Uint8Array, word: number, add: number): void {
  for (let i = 0; i < BLOCK_VALUES; i += 1) {
    codes[i] = (codes[i] ?? 0) + 16 * ((word >>> i) & 1) + add;
  }
}

const bfloatWord = new DataView(new ArrayBuffer(4));

/** By name, and not by `TensorType`: a type that is new there is refused here until it is added. */
const FORMATS: Readonly<Record<string, Format | undefined>> = {
  F32: { kind: 'floats', bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  F16: { kind: 'floats', bytes: 2, read: half },
  BF16: {
    kind: 'floats',
    bytes: 2,
    read(view, at) {
      bfloatWord.setUint32(0, view.getUint16(at, true) * 2 ** 16);
      return bfloatWord.getFloat32(0);
    },
  },
  Q8_0: {
    ...{ kind: 'blocks', bytes: 34, bits: 8, symmetric: true },
    read(view, at, codes) {
      for (let i = 0; i < BLOCK_VALUES; i += 1) codes[i] = view.getInt8(at + 2 + i) + 128;
      return { scale: half(view, at), offset: 0 };
    },
  },
  Q4_0: {
    ...{ kind: 'blocks', bytes: 18, bits: 4, symmetric: true },
    read(view, at, codes) {
      nibbles(view, at + 2, codes);
      return { scale: half(view, at), offset: 0 };
    },
  },
  Q4_1: {
    ...{ kind: 'blocks', bytes: 20, bits: 4, symmetric: false },
    read(view, at, codes) {
      nibbles(view, at + 4, codes);
      const scale = half(view, at);
      return { scale, offset: half(view, at + 2) + 8 * scale };
    },
  },
  Q5_0: {
    ...{ kind: 'blocks', bytes: 22, bits: 8, symmetric: true },
    read(view, at, codes) {
      nibbles(view, at + 6, codes);
      fifthBits(codes, view.getUint32(at + 2, true), 128 - 16);
      return { scale: half(view, at), offset: 0 };
    },
  },
  Q5_1: {
    ...{ kind: 'blocks', bytes: 24, bits: 8, symmetric: false },
    read(view, at, codes) {
      nibbles(view, at + 8, codes);
      fifthBits(codes, view.getUint32(at + 4, true), 128);
      return { scale: half(view, at), offset: half(view, at + 2) };
    },
  },
};

/** @throws FaultError `engine/unsupported` for a type that this engine does not read. */
export function formatOf(type: string): Format {
  const format = FORMATS[type];
  if (format) return format;
  throw new FaultError('engine/unsupported', `the GPU engine reads no weights of type ${type}`);
}

/** Rows `first` … `first + count − 1` of a tensor as fp32, [count × cols]. */
export function floatRows(tensor: StoredTensor, first: number, count: number): Float32Array {
  const { type, cols, bytes } = tensor;
  const format = formatOf(type);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count * cols);
  const from = first * cols;
  if (format.kind === 'floats') {
    for (let i = 0; i < out.length; i += 1) out[i] = format.read(view, (from + i) * format.bytes);
    return out;
  }
  const codes = new Uint8Array(BLOCK_VALUES);
  for (let i = 0; i < out.length; i += BLOCK_VALUES) {
    const at = ((from + i) / BLOCK_VALUES) * format.bytes;
    const { scale, offset } = format.read(view, at, codes);
    for (let j = 0; j < BLOCK_VALUES; j += 1) {
      const scaled = scale * ((codes[j] ?? 0) - ZERO_CODE[format.bits]);
      // A sum with 0 would turn −0 into 0: not the reference's bits.
      out[i + j] = format.symmetric ? scaled : scaled + offset;
    }
  }
  return out;
}
