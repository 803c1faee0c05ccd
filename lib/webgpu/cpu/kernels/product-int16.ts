import {
  Q40Block,
  Q41Block,
  Q50Block,
  Q51Block,
  Q80Block,
  hasMinimum,
  isBytes,
  isFives,
  weightsOffset,
  zeroPoint,
} from './formats';
import { blockOfBytes, blockOfNibbles, dotAdd, NIBBLE_MASKS } from './block-sums';
import { blockOfFives, pairsOfFives } from './fives';
import { BLOCK, Q4_0, Q4_1, Q5_0, Q5_1, TILE, Tensor, range, roundUp4 } from './range';

/*
 * y = W·x with x in int16: for a block, Σ w·x = d·s·Σ q·x16 + m·Σ x. A vector holds two columns of
 * four output rows, so that `dot_i16x8_s` leaves one sum a lane: |Σ q·x16| ≤ 32·128·32767 < 2³¹.
 * The integer sums are exact and the fp32 order is one, so every kernel here gives equal bits.
 */

/** Cache lines of the next two groups' weights that are still to be called for. */
let ahead: usize = 0;
let aheadEnd: usize = 0;

/**
 * Reads a word of one such line: it comes from memory while products of this group are computed,
 * and one at a time is what the processor's own read-ahead follows. A load may trap, so no compiler
 * leaves it out.
 */
@inline
function callAhead(): void {
  if (ahead >= aheadEnd) return;
  load<u32>(ahead);
  ahead += 64;
}

/** Bytes of weights that a few tiles take one after the other: they stay in a core's own cache. */
const CHUNK: usize = 262144;

/** fp32 value of a block's integer sums, d and m of its weights: four output rows, one input row. */
@inline
function scaled<T>(d: v128, m: v128, isum: v128, s: v128, sum: v128): v128 {
  const f = f32x4.mul(f32x4.convert_i32x4_s(isum), s);
  if (hasMinimum<T>()) return f32x4.add(f32x4.mul(d, f), f32x4.mul(m, sum));
  if (zeroPoint<T>() != 0) {
    return f32x4.mul(d, f32x4.sub(f, f32x4.mul(f32x4.splat(zeroPoint<T>()), sum)));
  }
  return f32x4.mul(d, f);
}

/** The only input row against `groups` groups of output rows. */
function oneRow<T>(w: usize, cols: usize, out: usize, groups: usize): void {
  const blocks = cols / BLOCK;
  const mask0 = v128.load(NIBBLE_MASKS);
  const mask1 = v128.load(NIBBLE_MASKS, 16);
  const mask2 = v128.load(NIBBLE_MASKS, 32);
  for (let group: usize = 0; group < groups; group++, out += 16) {
    let x = range().input16;
    let s = range().scales;
    let m = range().sums;
    let y = f32x4.splat(0);
    for (let block: usize = 0; block < blocks; block++, w += offsetof<T>()) {
      const p = w + weightsOffset<T>();
      const sums = isBytes<T>()
        ? blockOfBytes(p, x)
        : isFives<T>()
          ? blockOfFives(p, x)
          : blockOfNibbles(p, x, mask0, mask1, mask2);
      y = f32x4.add(y, scaled<T>(v128.load(w), v128.load(w, 16), sums, splatAt(s), splatAt(m)));
      x += BLOCK * 2;
      s += 4;
      m += 4;
    }
    v128.store(out, y);
  }
}

@inline
function splatAt(address: usize): v128 {
  return v128.load32_splat(address);
}

/**
 * A tile of `count` input rows from row `row` on against one group of output rows. `x` is never 0:
 * the branches that ask are never taken. They keep V8 of Node 20 from loading all splats of a turn
 * first, more than there are registers.
 */
@inline
function tileOf<T>(count: usize, w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  const mask = v128.load(NIBBLE_MASKS);
  const at = row * (cols / BLOCK) * 4;
  let x = range().input16 + row * cols * 2;
  let s = range().scales + at;
  let m = range().sums + at;
  let y0 = f32x4.splat(0);
  let y1 = y0, y2 = y0, y3 = y0;
  for (const end = s + (cols / BLOCK) * 4 * count; s < end; s += 4 * count, m += 4 * count) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0, n = a0;
    let p = w + weightsOffset<T>();
    const next = w + offsetof<T>();
    if (isBytes<T>() || isFives<T>()) {
      let stop = next;
      if (isFives<T>()) {
        pairsOfFives(p, range().unpacked, 16);
        p = range().unpacked;
        stop = p + BLOCK * 8;
      }
      for (; p < stop; p += isFives<T>() ? 16 : 8) {
        n = isFives<T>() ? v128.load(p) : v128.load8x8_s(p);
        a0 = dotAdd(a0, n, v128.load32_splat(x));
        if (count > 1) a1 = dotAdd(a1, n, v128.load32_splat(x, 4));
        if (count > 2) a2 = dotAdd(a2, n, v128.load32_splat(x, 8));
        if (count > 3) a3 = dotAdd(a3, n, v128.load32_splat(x, 12));
        x += 4 * count;
      }
    } else {
      for (; p < next; p += 16) {
        const raw = v128.load(p);
        n = v128.and(raw, mask);
        a0 = dotAdd(a0, n, v128.load32_splat(x));
        if (count > 1) a1 = dotAdd(a1, n, v128.load32_splat(x, 4));
        if (count > 2) a2 = dotAdd(a2, n, v128.load32_splat(x, 8));
        if (count > 3) a3 = dotAdd(a3, n, v128.load32_splat(x, 12));
        x += 4 * count;
        if (x == 0) break;
        n = v128.and(i16x8.shr_u(raw, 4), mask);
        a0 = dotAdd(a0, n, v128.load32_splat(x));
        if (count > 1) a1 = dotAdd(a1, n, v128.load32_splat(x, 4));
        if (count > 2) a2 = dotAdd(a2, n, v128.load32_splat(x, 8));
        if (count > 3) a3 = dotAdd(a3, n, v128.load32_splat(x, 12));
        x += 4 * count;
        if (x == 0) break;
        n = v128.and(i16x8.shr_u(raw, 8), mask);
        a0 = dotAdd(a0, n, v128.load32_splat(x));
        if (count > 1) a1 = dotAdd(a1, n, v128.load32_splat(x, 4));
        if (count > 2) a2 = dotAdd(a2, n, v128.load32_splat(x, 8));
        if (count > 3) a3 = dotAdd(a3, n, v128.load32_splat(x, 12));
        x += 4 * count;
        if (x == 0) break;
        n = i16x8.shr_u(raw, 12);
        a0 = dotAdd(a0, n, v128.load32_splat(x));
        if (count > 1) a1 = dotAdd(a1, n, v128.load32_splat(x, 4));
        if (count > 2) a2 = dotAdd(a2, n, v128.load32_splat(x, 8));
        if (count > 3) a3 = dotAdd(a3, n, v128.load32_splat(x, 12));
        x += 4 * count;
      }
    }
    const d = v128.load(w);
    const dMin = v128.load(w, 16);
    y0 = f32x4.add(y0, scaled<T>(d, dMin, a0, splatAt(s), splatAt(m)));
    if (count > 1) y1 = f32x4.add(y1, scaled<T>(d, dMin, a1, splatAt(s + 4), splatAt(m + 4)));
    if (count > 2) y2 = f32x4.add(y2, scaled<T>(d, dMin, a2, splatAt(s + 8), splatAt(m + 8)));
    if (count > 3) y3 = f32x4.add(y3, scaled<T>(d, dMin, a3, splatAt(s + 12), splatAt(m + 12)));
    w = next;
  }
  v128.store(out, y0);
  if (count > 1) v128.store(out + stride, y1);
  if (count > 2) v128.store(out + 2 * stride, y2);
  if (count > 3) v128.store(out + 3 * stride, y3);
}

/** The `count` rows from row `row` on, a tile, against one group. */
@inline
function tile<T>(count: usize, w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  if (count == 4) fourRows<T>(w, cols, row, out, stride);
  else if (count == 3) threeRows<T>(w, cols, row, out, stride);
  else if (count == 2) twoRows<T>(w, cols, row, out, stride);
  else lastRow<T>(w, cols, row, out, stride);
}

function fourRows<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  tileOf<T>(4, w, cols, row, out, stride);
}

function threeRows<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  tileOf<T>(3, w, cols, row, out, stride);
}

function lastRow<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  tileOf<T>(1, w, cols, row, out, stride);
}

function twoRows<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  tileOf<T>(2, w, cols, row, out, stride);
}

/** Adds to two vectors at `out`. */
@inline
function addTwo(out: usize, first: v128, second: v128): void {
  v128.store(out, f32x4.add(v128.load(out), first));
  v128.store(out, f32x4.add(v128.load(out, 16), second), 16);
}

/**
 * Four input rows against two neighbouring groups, from the pairs that `unpackTwo` left: a splat
 * serves two dots. The outputs' sums lie in memory, as registers are short.
 */
function fourRowsTwice<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  const blocks = cols / BLOCK;
  const second = blocks * offsetof<T>();
  let x = range().input16 + row * cols * 2;
  let s = range().scales + row * blocks * 4;
  let m = range().sums + row * blocks * 4;
  let p = range().unpacked;
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 4; i++) {
    v128.store(out + i * stride, zero);
    v128.store(out + i * stride, zero, 16);
  }
  for (const end = w + second; w < end; w += offsetof<T>(), s += 16, m += 16) {
    callAhead();
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    for (const next = p + BLOCK * 16; p < next; p += 32, x += 16) {
      const n = v128.load(p);
      const v = v128.load(p, 16);
      let xs = v128.load32_splat(x);
      a0 = dotAdd(a0, n, xs);
      b0 = dotAdd(b0, v, xs);
      xs = v128.load32_splat(x, 4);
      a1 = dotAdd(a1, n, xs);
      b1 = dotAdd(b1, v, xs);
      xs = v128.load32_splat(x, 8);
      a2 = dotAdd(a2, n, xs);
      b2 = dotAdd(b2, v, xs);
      xs = v128.load32_splat(x, 12);
      a3 = dotAdd(a3, n, xs);
      b3 = dotAdd(b3, v, xs);
    }
    const d = v128.load(w);
    const e = v128.load(w + second);
    const dMin = v128.load(w, 16);
    const eMin = v128.load(w + second, 16);
    let y = out;
    let scale = splatAt(s);
    let sum = splatAt(m);
    addTwo(y, scaled<T>(d, dMin, a0, scale, sum), scaled<T>(e, eMin, b0, scale, sum));
    y += stride;
    scale = splatAt(s + 4);
    sum = splatAt(m + 4);
    addTwo(y, scaled<T>(d, dMin, a1, scale, sum), scaled<T>(e, eMin, b1, scale, sum));
    y += stride;
    scale = splatAt(s + 8);
    sum = splatAt(m + 8);
    addTwo(y, scaled<T>(d, dMin, a2, scale, sum), scaled<T>(e, eMin, b2, scale, sum));
    y += stride;
    scale = splatAt(s + 12);
    sum = splatAt(m + 12);
    addTwo(y, scaled<T>(d, dMin, a3, scale, sum), scaled<T>(e, eMin, b3, scale, sum));
  }
}

/**
 * The groups at `w`, whose outputs end at `end`: all of them for the first tile, then all for the
 * next. The first reads from memory at the pace of one tile alone, which the processor's own
 * read-ahead follows, the others from the cache; group by group it would read in bursts.
 */
function tileByTile<T>(
  w: usize,
  cols: usize,
  rows: usize,
  out: usize,
  end: usize,
  stride: usize,
): void {
  const bytes = (cols / BLOCK) * offsetof<T>();
  for (let row: usize = 0; row < rows; row += TILE) {
    const count = min(<usize>TILE, rows - row);
    let group = w;
    for (let to = out; to < end; to += 16, group += bytes) {
      tile<T>(count, group, cols, row, to + row * stride, stride);
    }
  }
}

/** Leaves the weights of two neighbouring groups as pairs of 16 bits, a vector of each in turn. */
function unpackTwo<T>(w: usize, cols: usize): void {
  const second = (cols / BLOCK) * offsetof<T>();
  const mask = v128.load(NIBBLE_MASKS);
  let to = range().unpacked;
  for (const end = w + second; w < end; w += offsetof<T>()) {
    let p = w + weightsOffset<T>();
    const next = w + offsetof<T>();
    if (isBytes<T>()) {
      for (; p < next; p += 8, to += 32) {
        v128.store(to, v128.load8x8_s(p));
        v128.store(to, v128.load8x8_s(p + second), 16);
      }
    } else if (isFives<T>()) {
      pairsOfFives(p, to, 32);
      pairsOfFives(p + second, to + 16, 32);
      to += BLOCK * 16;
    } else {
      for (; p < next; p += 16, to += 128) {
        const first = v128.load(p);
        const other = v128.load(p + second);
        v128.store(to, v128.and(first, mask));
        v128.store(to, v128.and(other, mask), 16);
        v128.store(to, v128.and(i16x8.shr_u(first, 4), mask), 32);
        v128.store(to, v128.and(i16x8.shr_u(other, 4), mask), 48);
        v128.store(to, v128.and(i16x8.shr_u(first, 8), mask), 64);
        v128.store(to, v128.and(i16x8.shr_u(other, 8), mask), 80);
        v128.store(to, i16x8.shr_u(first, 12), 96);
        v128.store(to, i16x8.shr_u(other, 12), 112);
      }
    }
  }
}

/** All rows, three tiles or more, against two groups; the last tile may be short. */
function twoGroups<T>(w: usize, cols: usize, rows: usize, out: usize, stride: usize): void {
  const second = w + (cols / BLOCK) * offsetof<T>();
  unpackTwo<T>(w, cols);
  let row: usize = 0;
  for (; row + TILE <= rows; row += TILE) {
    fourRowsTwice<T>(w, cols, row, out + row * stride, stride);
  }
  if (row == rows) return;
  tile<T>(rows - row, w, cols, row, out + row * stride, stride);
  tile<T>(rows - row, second, cols, row, out + 16 + row * stride, stride);
}

/** Weights of groups `from` to `to` are read from memory once, in their order, for all rows. */
function allRows<T>(t: Tensor, rows: usize, out: usize, from: usize, to: usize): void {
  const cols = <usize>t.cols;
  const stride = <usize>roundUp4(t.rows) * 4;
  const bytes = (cols / BLOCK) * offsetof<T>();
  const end = out + to * 16;
  let w = t.data + from * bytes;
  out += from * 16;
  if (rows == 1) return oneRow<T>(w, cols, out, to - from);
  if (rows >= 3 * TILE) { // fewer do not pay for the unpacking
    const dataEnd = w + (to - from) * bytes;
    for (; out + 32 <= end; out += 32, w += 2 * bytes) {
      ahead = w + 2 * bytes;
      aheadEnd = min(ahead + 2 * bytes, dataEnd);
      twoGroups<T>(w, cols, rows, out, stride);
    }
  }
  const chunk = max<usize>(CHUNK / bytes, 1);
  for (; out < end; out += chunk * 16, w += chunk * bytes) {
    tileByTile<T>(w, cols, rows, out, min(out + chunk * 16, end), stride);
  }
}

/** out [rows × t.rows, rounded up to 4] = prepared input · tᵀ, of output rows 4·`from` to 4·`to`. */
export function productInt16(t: Tensor, rows: i32, out: usize, from: i32, to: i32): void {
  if (t.type == Q4_1) allRows<Q41Block>(t, rows, out, from, to);
  else if (t.type == Q4_0) allRows<Q40Block>(t, rows, out, from, to);
  else if (t.type == Q5_0) allRows<Q50Block>(t, rows, out, from, to);
  else if (t.type == Q5_1) allRows<Q51Block>(t, rows, out, from, to);
  else allRows<Q80Block>(t, rows, out, from, to);
}
