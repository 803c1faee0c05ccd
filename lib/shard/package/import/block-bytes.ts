import { halfBits, halfValue } from './half.ts';

/** Pieces that ggml's block formats are made of; little-endian. */
export const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;

export const halfAt = (bytes: Uint8Array, at: number): number =>
  halfValue(byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8));

export function putHalfBits(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = bits & 255;
  bytes[at + 1] = bits >> 8;
}

/** Stores the nearest F16 and says which it is: quants are chosen for the scale that is stored. */
export function putHalf(bytes: Uint8Array, at: number, value: number): number {
  const bits = halfBits(value);
  putHalfBits(bytes, at, bits);
  return halfValue(bits);
}

/** 32 whole numbers of a block, −128 … 127. */
export type Quants = Int8Array;
export const newQuants = (): Quants => new Int8Array(32);

/** Four bits each: the low halves of sixteen bytes are numbers 0–15, the high ones 16–31. */
export function readNibbles(bytes: Uint8Array, at: number, quants: Quants): void {
  for (let i = 0; i < 16; i += 1) {
    const byte = byteAt(bytes, at + i);
    quants[i] = byte & 15;
    quants[i + 16] = byte >> 4;
  }
}

export function putNibbles(bytes: Uint8Array, at: number, quants: Quants): void {
  for (let i = 0; i < 16; i += 1) {
    bytes[at + i] = ((quants[i] ?? 0) & 15) | (((quants[i + 16] ?? 0) & 15) << 4);
  }
}

/** Five bits each: the fifth ones of all in four bytes, the nibbles behind them. */
export function readFives(bytes: Uint8Array, at: number, quants: Quants): void {
  readNibbles(bytes, at + 4, quants);
  for (let i = 0; i < 32; i += 1) {
    const fifth = (byteAt(bytes, at + (i >> 3)) >> (i & 7)) & 1;
    quants[i] = (quants[i] ?? 0) + 16 * fifth;
  }
}

export function putFives(bytes: Uint8Array, at: number, quants: Quants): void {
  bytes.fill(0, at, at + 4);
  for (let i = 0; i < 32; i += 1) {
    const place = at + (i >> 3);
    bytes[place] = byteAt(bytes, place) | (((quants[i] ?? 0) >> 4) << (i & 7));
  }
  putNibbles(bytes, at + 4, quants);
}

export function readBytes(bytes: Uint8Array, at: number, quants: Quants): void {
  for (let i = 0; i < 32; i += 1) quants[i] = byteAt(bytes, at + i);
}
