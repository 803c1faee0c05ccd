import {
  BLOCK,
  F32,
  GROUP,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  isBlockType,
  packedBlockBytes,
  packedGroupBytes,
} from './range';
import { halfToFloat1 } from './vector';

/**
 * Packs `rows` stored rows at `from` into groups of four interleaved rows at `to`; rows missing in
 * the last group are zero. F32: [col][4]. F16, BF16: [col / 2][4][2]. Blocks: scales d[4] (and
 * minima m[4]) as fp32, then Q8_0: [col / 2][4][2] bytes; Q4: [col / 8][4] words of eight nibbles,
 * the even columns in the low half, the odd ones in the high half, first column lowest; Q5: five
 * [4] words, as `formats.ts` says.
 */
export function pack(type: i32, from: usize, to: usize, rows: i32, cols: i32): void {
  const rowBytes = storedRowBytes(type, cols);
  const groupBytes = packedGroupBytes(type, cols);
  for (let row = 0; row < rows; row += GROUP, to += groupBytes) {
    memory.fill(to, 0, groupBytes);
    const filled = min(GROUP, rows - row);
    for (let lane = 0; lane < filled; lane++, from += rowBytes) {
      packRow(type, from, to, lane, cols);
    }
  }
}

function storedRowBytes(type: i32, cols: i32): usize {
  if (type == F32) return <usize>cols * 4;
  if (!isBlockType(type)) return <usize>cols * 2;
  return <usize>(cols / BLOCK) * storedBlockBytes(type);
}

@inline
function storedBlockBytes(type: i32): usize {
  if (type == Q8_0) return 34;
  if (type == Q5_0) return 22;
  if (type == Q5_1) return 24;
  return type == Q4_0 ? 18 : 20;
}

function packRow(type: i32, from: usize, to: usize, lane: usize, cols: i32): void {
  if (type == F32) {
    for (let col: usize = 0; col < <usize>cols; col++) {
      store<u32>(to + (col * 4 + lane) * 4, load<u32>(from + col * 4));
    }
    return;
  }
  if (!isBlockType(type)) {
    for (const end = to + <usize>(cols / 2) * 16; to < end; to += 16, from += 4) {
      store<u32>(to + lane * 4, load<u32>(from));
    }
    if (cols & 1) store<u16>(to + lane * 4, load<u16>(from));
    return;
  }
  packBlocks(type, from, to, lane, cols / BLOCK);
}

function packBlocks(type: i32, from: usize, to: usize, lane: usize, blocks: i32): void {
  const hasMinimum = type == Q4_1 || type == Q5_1;
  for (let block = 0; block < blocks; block++) {
    store<f32>(to + lane * 4, halfToFloat1(load<u16>(from)));
    if (hasMinimum) store<f32>(to + 16 + lane * 4, halfToFloat1(load<u16>(from, 2)));
    if (type == Q8_0) packBytes(from + 2, to + 16 + lane * 2);
    else if (type == Q5_0) packFives(from + 2, to + 16 + lane * 4);
    else if (type == Q5_1) packFives(from + 4, to + 32 + lane * 4);
    else if (type == Q4_0) packNibbles(from + 2, to + 16 + lane * 4);
    else packNibbles(from + 4, to + 32 + lane * 4);
    from += storedBlockBytes(type);
    to += packedBlockBytes(type);
  }
}

@inline
function packBytes(from: usize, to: usize): void {
  for (let pair = 0; pair < 16; pair++, from += 2, to += 8) store<u16>(to, load<u16>(from));
}

/** Stored are the fifth bits of all 32 columns in a word, then nibbles as in Q4. */
function packFives(from: usize, to: usize): void {
  const last = fivesOf(from, 15);
  for (let i: u32 = 0; i < 5; i++) {
    let word = fivesOf(from, 3 * i) | (fivesOf(from, 3 * i + 1) << 5);
    word |= fivesOf(from, 3 * i + 2) << 10;
    store<u32>(to + i * 16, word | (((last >> i) & 0x00010001) << 15));
  }
}

/** The five bits of both columns of a pair, the even one's in the low half. */
@inline
function fivesOf(from: usize, pair: u32): u32 {
  return fiveOf(from, 2 * pair) | (fiveOf(from, 2 * pair + 1) << 16);
}

@inline
function fiveOf(from: usize, col: u32): u32 {
  const nibbles = <u32>load<u8>(from + 4 + (col & 15));
  return ((nibbles >> (col & 16 ? 4 : 0)) & 15) | (((load<u32>(from) >> col) & 1) << 4);
}

/** A stored byte j holds column j in its low and column j + 16 in its high nibble. */
@inline
function packNibbles(from: usize, to: usize): void {
  const first = load<u64>(from);
  const second = load<u64>(from, 8);
  store<u32>(to, gatherNibbles(first), 0);
  store<u32>(to, gatherNibbles(second), 16);
  store<u32>(to, gatherNibbles(first >> 4), 32);
  store<u32>(to, gatherNibbles(second >> 4), 48);
}

/** Low nibbles of eight bytes: even bytes to the low half, odd bytes to the high half. */
@inline
function gatherNibbles(bytes: u64): u32 {
  const even = bytes & 0x000f000f000f000f;
  const odd = (bytes >> 8) & 0x000f000f000f000f;
  const low = <u32>(even | (even >> 12) | (even >> 24) | (even >> 36)) & 0xffff;
  const high = <u32>(odd | (odd >> 12) | (odd >> 24) | (odd >> 36)) << 16;
  return low | high;
}
