import { dotAdd } from './block-sums';

/*
 * Blocks of five-bit weights (`Q50Block`, `Q51Block`): a 16-bit lane holds a weight of three pairs
 * of columns; the bits above them are the sixteenth pair's.
 */

/** The first weight of a lane, the second, and the bit above the third. Loaded as NIBBLE_MASKS are. */
const MASKS: usize = memory.data<u16>(
  [
    0x001f, 0x001f, 0x001f, 0x001f, 0x001f, 0x001f, 0x001f, 0x001f,
    0x03e0, 0x03e0, 0x03e0, 0x03e0, 0x03e0, 0x03e0, 0x03e0, 0x03e0,
    0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000,
  ],
  16,
);
/** Bytes of the five vectors of a block. */
const BYTES: usize = 80;

/** Moves one more bit of the sixteenth pair in from above: five of them end at bit 11. */
@inline
function lastWith(last: v128, words: v128, top: v128): v128 {
  return v128.or(i16x8.shr_u(last, 1), v128.and(words, top));
}

/** A block's integer sums for one int16 input row: of q and, of those left in place, of 32·q. */
@inline
export function blockOfFives(p: usize, x: usize): v128 {
  const first = v128.load(MASKS);
  const second = v128.load(MASKS, 16);
  const top = v128.load(MASKS, 32);
  let a = i32x4.splat(0);
  let b = a, last = a;
  for (const end = p + BYTES; p < end; p += 16, x += 12) {
    const words = v128.load(p);
    a = dotAdd(a, v128.and(words, first), v128.load32_splat(x));
    b = dotAdd(b, v128.and(words, second), v128.load32_splat(x, 4));
    a = dotAdd(a, v128.and(i16x8.shr_u(words, 10), first), v128.load32_splat(x, 8));
    last = lastWith(last, words, top);
  }
  a = dotAdd(a, i16x8.shr_u(last, 11), v128.load32_splat(x));
  return i32x4.add(a, i32x4.shr_s(b, 5));
}

/** Leaves the sixteen pairs of columns of a block, 16 bits a weight, `next` bytes apart. */
@inline
export function pairsOfFives(p: usize, to: usize, next: usize): void {
  const first = v128.load(MASKS);
  const top = v128.load(MASKS, 32);
  let last = i32x4.splat(0);
  for (const end = p + BYTES; p < end; p += 16, to += 3 * next) {
    const words = v128.load(p);
    v128.store(to, v128.and(words, first));
    v128.store(to + next, v128.and(i16x8.shr_u(words, 5), first));
    v128.store(to + 2 * next, v128.and(i16x8.shr_u(words, 10), first));
    last = lastWith(last, words, top);
  }
  v128.store(to, i16x8.shr_u(last, 11));
}

/** Leaves the 32 columns of a block, fp32, 32 bytes apart. */
export function columnsOfFives(p: usize, to: usize): void {
  const top = v128.load(MASKS, 32);
  let last = i32x4.splat(0);
  for (const end = p + BYTES; p < end; p += 16, to += 192) {
    const words = v128.load(p);
    storePair(to, words);
    storePair(to + 64, i16x8.shr_u(words, 5));
    storePair(to + 128, i16x8.shr_u(words, 10));
    last = lastWith(last, words, top);
  }
  storePair(to, i16x8.shr_u(last, 11));
}

/** Both columns of a pair whose weights are the low five bits of 16-bit lanes. */
@inline
function storePair(to: usize, words: v128): void {
  const mask = i32x4.splat(31);
  v128.store(to, f32x4.convert_i32x4_s(v128.and(words, mask)));
  v128.store(to, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(words, 16), mask)), 32);
}
