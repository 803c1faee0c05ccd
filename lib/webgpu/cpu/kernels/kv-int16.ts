import { range } from './range';
import { ROUNDER, inverseOf, maxLanes, roundToInt, stepOf } from './vector';

/*
 * Keys, values and queries of the `int16` numerics: x ≈ scale · int16, one scale a head and position.
 * A head's part of a page begins with the scales, fp32 [position]. Then keys [position / 8][headDim
 * / 2][8][2]: a vector is a pair of columns of four positions; or values [headDim / 8][position / 2]
 * [8][2], the last columns as many as are left: a vector is four columns of a pair of positions.
 * `dot_i16x8_s` then leaves a sum for each position, or column. Eight, so that both are read in the
 * order in which they lie.
 */

const LOG2_E: f32 = 1.44269504088896341;

/** Writes one position's keys at `k` and values at `v` [kvHeads × headDim] to slot `slot` of `page`. */
export function writeRowInt16(k: usize, v: usize, page: usize, slot: usize): void {
  const r = range();
  const width = <usize>r.headDim;
  const values = <usize>r.kvHeads * r.headStride;
  const data = <usize>r.pagePositions * 4;
  const keyAt = data + (slot >> 3) * width * 16 + (slot & 7) * 4;
  for (let head = 0; head < r.kvHeads; head++, page += r.headStride, k += width * 4, v += width * 4) {
    let most = boundedFours(k, width, largest(k, width));
    v128.store_lane<f32>(page + slot * 4, scaleOf(most), 0);
    writeKey(k, width, inverseOf(most), page + keyAt);
    most = largest(v, width);
    v128.store_lane<f32>(page + values + slot * 4, scaleOf(most), 0);
    writeValue(v, inverseOf(most), page + values + data, slot);
  }
}

/** The scale of a vector of values up to `most`: a number in any case, as 0 times it has to be 0. */
@inline
function scaleOf(most: v128): v128 {
  return stepOf(f32x4.pmin(most, f32x4.splat(f32.MAX_VALUE)));
}

/** Pairs of columns lie 32 bytes apart. */
function writeKey(x: usize, width: usize, inverses: v128, to: usize): void {
  const fours = width & ~3;
  for (let i: usize = 0; i < fours; i += 4, x += 16, to += 64) {
    const four = roundFour(x, inverses);
    v128.store_lane<i32>(to, four, 0);
    v128.store_lane<i32>(to, four, 1, 32);
  }
  if (fours < width) store<u32>(to, roundPair(x, inverses));
}

/** Columns of eight, or of what is left, lie together for a whole page. */
function writeValue(x: usize, inverses: v128, to: usize, slot: usize): void {
  const r = range();
  for (let left = <usize>r.headDim; left > 0; ) {
    const columns = min<usize>(left, 8);
    let at = to + (slot >> 1) * columns * 4 + (slot & 1) * 2;
    left -= columns;
    to += <usize>r.pagePositions * columns * 2;
    for (const end = x + (columns & 12) * 4; x < end; x += 16, at += 16) {
      const four = roundFour(x, inverses);
      v128.store_lane<i16>(at, four, 0);
      v128.store_lane<i16>(at, four, 1, 4);
      v128.store_lane<i16>(at, four, 2, 8);
      v128.store_lane<i16>(at, four, 3, 12);
    }
    if ((columns & 2) == 0) continue;
    const pair = roundPair(x, inverses);
    store<u16>(at, <u16>pair);
    store<u16>(at, <u16>(pair >> 16), 4);
    x += 8;
  }
}

/** Largest absolute of `width` values, an even number, in all lanes. */
function largest(x: usize, width: usize): v128 {
  let top = f32x4.splat(0);
  const end = x + (width & ~3) * 4;
  for (; x < end; x += 16) top = f32x4.pmax(top, f32x4.abs(v128.load(x)));
  if ((width & 3) != 0) top = f32x4.pmax(top, f32x4.abs(v128.load64_zero(x)));
  return maxLanes(top);
}

/** √2³¹ and some less, as rounding may add √4 / 2 to a norm: products of two such fours stay below 2³¹. */
const NORM_OF_FOUR_MAX: f32 = 46300;

/**
 * What stands for `most`, the largest absolute of `width` values, so that the norm of no four columns
 * is more than `NORM_OF_FOUR_MAX` as int16: at most √2 times as much.
 */
function boundedFours(x: usize, width: usize, most: v128): v128 {
  const inverses = inverseOf(most);
  let top = f32x4.splat(0);
  for (const end = x + (width & ~3) * 4; x < end; x += 16) {
    const four = f32x4.mul(v128.load(x), inverses);
    const squares = f32x4.mul(four, four);
    const pairs = f32x4.add(squares, v128.shuffle<i32>(squares, squares, 2, 3, 0, 1));
    top = f32x4.pmax(top, f32x4.add(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)));
  }
  const over = f32x4.div(f32x4.sqrt(top), f32x4.splat(NORM_OF_FOUR_MAX));
  return f32x4.mul(most, f32x4.pmax(f32x4.splat(1), over)); // of what is no number: `most`
}

/** Four values as int16 in the lower half of a vector. */
@inline
function roundFour(x: usize, inverses: v128): v128 {
  const four = roundToInt(f32x4.mul(v128.load(x), inverses));
  return i16x8.narrow_i32x4_s(four, four);
}

/** Two values as int16, the first in the lower half; rounded as vectors are. */
@inline
function roundPair(x: usize, inverses: v128): u32 {
  const inverse = f32x4.extract_lane(inverses, 0);
  const first = reinterpret<u32>(load<f32>(x) * inverse + ROUNDER) & 0xffff;
  return first | (reinterpret<u32>(load<f32>(x, 4) * inverse + ROUNDER) << 16);
}

/**
 * The queries of rows `from` to `to` at `q` [rows × heads × headDim], in place: a head's columns as
 * int16, then its scale, with log₂e / √headDim in it: scores are exponents of 2.
 */
export function roundQueries(from: i32, to: i32): void {
  const r = range();
  const width = <usize>r.headDim;
  const root = LOG2_E / sqrt<f32>(<f32>r.headDim);
  let x = r.q + <usize>(from * r.heads) * width * 4;
  const end = r.q + <usize>(to * r.heads) * width * 4;
  for (; x < end; x += width * 4) {
    const most = boundedFours(x, width, largest(x, width));
    roundInPlace(x, width, inverseOf(most));
    v128.store_lane<f32>(x + width * 2, f32x4.mul(scaleOf(most), f32x4.splat(root)), 0);
  }
}

/** What is read lies never before what is written. */
function roundInPlace(x: usize, width: usize, inverses: v128): void {
  let to = x;
  const end = x + (width & ~3) * 4;
  for (; x < end; x += 16, to += 8) v128.store_lane<i64>(to, roundFour(x, inverses), 0);
  if ((width & 3) != 0) store<u32>(to, roundPair(x, inverses));
}
