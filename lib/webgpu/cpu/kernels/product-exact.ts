import {
  BF16Column,
  F16Column,
  F32Column,
  Q40Block,
  Q41Block,
  Q50Block,
  Q51Block,
  Q80Block,
  hasMinimum,
  isBlock,
  isF32,
  isFives,
  weightsOffset,
  zeroPoint,
} from './formats';
import { columnsOfFives } from './fives';
import { BF16, BLOCK, F16, F32, Q4_0, Q5_0, Q5_1, Q8_0, TILE, Tensor, range, roundUp4 } from './range';
import { columnOf, looseColumn, runBytes, runOf } from './unpack';

/*
 * y = W·x in fp32. A vector holds one column of four output rows. A block's columns are added in
 * order from zero, then y += d·Σ q·x + m·Σ x (without blocks: y += Σ w·x): in every kernel here, so that
 * a row's bits are the same whatever rows come with it.
 */

/** Bytes of `width` columns of a group: one block, or columns of a format without blocks. */
@inline
function blockBytes<T>(width: usize): usize {
  return isBlock<T>() ? offsetof<T>() : width * offsetof<T>();
}

@inline
function groupBytes<T>(cols: usize): usize {
  if (isBlock<T>()) return (cols / BLOCK) * offsetof<T>();
  return (isF32<T>() ? cols : (cols + 1) & ~1) * offsetof<T>(); // 16 bits: pairs of columns
}

@inline
function mulAdd(acc: v128, w: v128, x: v128): v128 {
  return f32x4.add(acc, f32x4.mul(w, x));
}

/** A block's sum with its scale: `w` the block's header, `at` the input row's block number. */
@inline
function scaled<T>(w: usize, acc: v128, at: usize): v128 {
  if (!isBlock<T>()) return acc;
  const sum = v128.load32_splat(range().sums + at * 4);
  const d = v128.load(w);
  if (hasMinimum<T>()) return f32x4.add(f32x4.mul(d, acc), f32x4.mul(v128.load(w, 16), sum));
  if (zeroPoint<T>() != 0) {
    return f32x4.mul(d, f32x4.sub(acc, f32x4.mul(f32x4.splat(zeroPoint<T>()), sum)));
  }
  return f32x4.mul(d, acc);
}

/**
 * One input row against four neighbouring groups: one row has a chain of additions a group, and
 * fewer chains leave the adders idle.
 */
function oneRowFour<T>(w: usize, cols: usize, out: usize): void {
  const second = groupBytes<T>(cols);
  let x = range().input;
  let y0 = f32x4.splat(0);
  let y1 = y0, y2 = y0, y3 = y0;
  for (let from: usize = 0; from < cols; from += BLOCK) {
    const width = min(<usize>BLOCK, cols - from);
    let a0 = f32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0;
    let p = w + weightsOffset<T>();
    let col: usize = 0;
    for (; col + 8 <= width; col += 8) {
      const r0 = runOf<T>(p);
      const r1 = runOf<T>(p + second);
      const r2 = runOf<T>(p + 2 * second);
      const r3 = runOf<T>(p + 3 * second);
      let xs = v128.load32_splat(x);
      a0 = mulAdd(a0, columnOf<T>(0, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(0, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(0, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(0, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 4);
      a0 = mulAdd(a0, columnOf<T>(1, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(1, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(1, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(1, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 8);
      a0 = mulAdd(a0, columnOf<T>(2, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(2, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(2, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(2, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 12);
      a0 = mulAdd(a0, columnOf<T>(3, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(3, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(3, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(3, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 16);
      a0 = mulAdd(a0, columnOf<T>(4, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(4, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(4, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(4, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 20);
      a0 = mulAdd(a0, columnOf<T>(5, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(5, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(5, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(5, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 24);
      a0 = mulAdd(a0, columnOf<T>(6, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(6, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(6, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(6, r3, p + 3 * second), xs);
      xs = v128.load32_splat(x, 28);
      a0 = mulAdd(a0, columnOf<T>(7, r0, p), xs);
      a1 = mulAdd(a1, columnOf<T>(7, r1, p + second), xs);
      a2 = mulAdd(a2, columnOf<T>(7, r2, p + 2 * second), xs);
      a3 = mulAdd(a3, columnOf<T>(7, r3, p + 3 * second), xs);
      p += runBytes<T>();
      x += 32;
    }
    for (let loose: usize = 0; col < width; col++, loose++, x += 4) {
      const xs = v128.load32_splat(x);
      a0 = mulAdd(a0, looseColumn<T>(loose, p), xs);
      a1 = mulAdd(a1, looseColumn<T>(loose, p + second), xs);
      a2 = mulAdd(a2, looseColumn<T>(loose, p + 2 * second), xs);
      a3 = mulAdd(a3, looseColumn<T>(loose, p + 3 * second), xs);
    }
    y0 = f32x4.add(y0, scaled<T>(w, a0, from / BLOCK));
    y1 = f32x4.add(y1, scaled<T>(w + second, a1, from / BLOCK));
    y2 = f32x4.add(y2, scaled<T>(w + 2 * second, a2, from / BLOCK));
    y3 = f32x4.add(y3, scaled<T>(w + 3 * second, a3, from / BLOCK));
    w += blockBytes<T>(width);
  }
  v128.store(out, y0);
  v128.store(out, y1, 16);
  v128.store(out, y2, 32);
  v128.store(out, y3, 48);
}

/** One input row against one group of output rows: what is left after the fours. */
function oneRow<T>(w: usize, cols: usize, out: usize): void {
  let x = range().input;
  let y = f32x4.splat(0);
  for (let from: usize = 0; from < cols; from += BLOCK) {
    const width = min(<usize>BLOCK, cols - from);
    let a = f32x4.splat(0);
    let p = w + weightsOffset<T>();
    let col: usize = 0;
    for (; col + 8 <= width; col += 8, x += 32) {
      const run = runOf<T>(p);
      a = mulAdd(a, columnOf<T>(0, run, p), v128.load32_splat(x));
      a = mulAdd(a, columnOf<T>(1, run, p), v128.load32_splat(x, 4));
      a = mulAdd(a, columnOf<T>(2, run, p), v128.load32_splat(x, 8));
      a = mulAdd(a, columnOf<T>(3, run, p), v128.load32_splat(x, 12));
      a = mulAdd(a, columnOf<T>(4, run, p), v128.load32_splat(x, 16));
      a = mulAdd(a, columnOf<T>(5, run, p), v128.load32_splat(x, 20));
      a = mulAdd(a, columnOf<T>(6, run, p), v128.load32_splat(x, 24));
      a = mulAdd(a, columnOf<T>(7, run, p), v128.load32_splat(x, 28));
      p += runBytes<T>();
    }
    for (let loose: usize = 0; col < width; col++, loose++, x += 4) {
      a = mulAdd(a, looseColumn<T>(loose, p), v128.load32_splat(x));
    }
    y = f32x4.add(y, scaled<T>(w, a, from / BLOCK));
    w += blockBytes<T>(width);
  }
  v128.store(out, y);
}

/** Writes a block's columns of two groups side by side: [width × 8] at `unpacked`. */
@inline
function unpackBlock<T>(w: usize, second: usize, width: usize): void {
  if (isFives<T>()) {
    columnsOfFives(w + weightsOffset<T>(), range().unpacked);
    columnsOfFives(w + weightsOffset<T>() + second, range().unpacked + 16);
    return;
  }
  let to = range().unpacked;
  let col: usize = 0;
  let p = w + weightsOffset<T>();
  for (; col + 8 <= width; col += 8) {
    const r0 = runOf<T>(p);
    const r1 = runOf<T>(p + second);
    v128.store(to, columnOf<T>(0, r0, p), 0);
    v128.store(to, columnOf<T>(0, r1, p + second), 16);
    v128.store(to, columnOf<T>(1, r0, p), 32);
    v128.store(to, columnOf<T>(1, r1, p + second), 48);
    v128.store(to, columnOf<T>(2, r0, p), 64);
    v128.store(to, columnOf<T>(2, r1, p + second), 80);
    v128.store(to, columnOf<T>(3, r0, p), 96);
    v128.store(to, columnOf<T>(3, r1, p + second), 112);
    v128.store(to, columnOf<T>(4, r0, p), 128);
    v128.store(to, columnOf<T>(4, r1, p + second), 144);
    v128.store(to, columnOf<T>(5, r0, p), 160);
    v128.store(to, columnOf<T>(5, r1, p + second), 176);
    v128.store(to, columnOf<T>(6, r0, p), 192);
    v128.store(to, columnOf<T>(6, r1, p + second), 208);
    v128.store(to, columnOf<T>(7, r0, p), 224);
    v128.store(to, columnOf<T>(7, r1, p + second), 240);
    p += runBytes<T>();
    to += 256;
  }
  for (let loose: usize = 0; col < width; col++, loose++, to += 32) {
    v128.store(to, looseColumn<T>(loose, p));
    v128.store(to, looseColumn<T>(loose, p + second), 16);
  }
}

/** One unpacked block against `count` input rows from `x` on, `cols` wide. */
@inline
function tileOf<T>(count: usize, w: usize, second: usize, width: usize, x: usize, cols: usize, at: usize, out: usize, stride: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let x1 = x + cols * 4;
  let x2 = x1 + cols * 4;
  let x3 = x2 + cols * 4;
  let p = range().unpacked;
  const end = p + width * 32;
  while (p < end) {
    const w0 = v128.load(p);
    const w1 = v128.load(p, 16);
    let xs = v128.load32_splat(x);
    a0 = mulAdd(a0, w0, xs);
    b0 = mulAdd(b0, w1, xs);
    if (count > 1) {
      xs = v128.load32_splat(x1);
      a1 = mulAdd(a1, w0, xs);
      b1 = mulAdd(b1, w1, xs);
    }
    if (count > 2) {
      xs = v128.load32_splat(x2);
      a2 = mulAdd(a2, w0, xs);
      b2 = mulAdd(b2, w1, xs);
    }
    if (count > 3) {
      xs = v128.load32_splat(x3);
      a3 = mulAdd(a3, w0, xs);
      b3 = mulAdd(b3, w1, xs);
    }
    p += 32;
    x += 4;
    if (count > 1) x1 += 4;
    if (count > 2) x2 += 4;
    if (count > 3) x3 += 4;
  }
  const blocks = cols / BLOCK;
  addTo(out, scaled<T>(w, a0, at));
  if (count > 1) addTo(out + stride, scaled<T>(w, a1, at + blocks));
  if (count > 2) addTo(out + 2 * stride, scaled<T>(w, a2, at + 2 * blocks));
  if (count > 3) addTo(out + 3 * stride, scaled<T>(w, a3, at + 3 * blocks));
  if (second == 0) return;
  addTo(out + 16, scaled<T>(w + second, b0, at));
  if (count > 1) addTo(out + 16 + stride, scaled<T>(w + second, b1, at + blocks));
  if (count > 2) addTo(out + 16 + 2 * stride, scaled<T>(w + second, b2, at + 2 * blocks));
  if (count > 3) addTo(out + 16 + 3 * stride, scaled<T>(w + second, b3, at + 3 * blocks));
}

/* The rows past the fours: functions apart, or the compiler folds the bodies into one. */

function threeRows<T>(w: usize, second: usize, width: usize, x: usize, cols: usize, at: usize, out: usize, stride: usize): void {
  tileOf<T>(3, w, second, width, x, cols, at, out, stride);
}

function twoRows<T>(w: usize, second: usize, width: usize, x: usize, cols: usize, at: usize, out: usize, stride: usize): void {
  tileOf<T>(2, w, second, width, x, cols, at, out, stride);
}

function lastRow<T>(w: usize, second: usize, width: usize, x: usize, cols: usize, at: usize, out: usize): void {
  tileOf<T>(1, w, second, width, x, cols, at, out, 0);
}

@inline
function addTo(out: usize, value: v128): void {
  v128.store(out, f32x4.add(v128.load(out), value));
}

/** All input rows against one or two groups: each block is unpacked once. */
function manyRows<T>(two: bool, w: usize, t: Tensor, rows: i32, out: usize): void {
  const cols = <usize>t.cols;
  const stride = <usize>roundUp4(t.rows) * 4;
  const second = two ? groupBytes<T>(cols) : 0;
  const blocks = cols / BLOCK;
  const end = <usize>rows;
  for (let row: usize = 0; row < end; row++) {
    v128.store(out + row * stride, f32x4.splat(0));
    if (two) v128.store(out + row * stride, f32x4.splat(0), 16);
  }
  for (let from: usize = 0; from < cols; from += BLOCK) {
    const width = min(<usize>BLOCK, cols - from);
    unpackBlock<T>(w, second, width);
    let x = range().input + from * 4;
    let at = from / BLOCK;
    let y = out;
    for (let row: usize = TILE; row <= end; row += TILE) {
      tileOf<T>(4, w, second, width, x, cols, at, y, stride);
      x += TILE * 4 * cols;
      at += TILE * blocks;
      y += TILE * stride;
    }
    const rest = end % TILE;
    if (rest == 3) threeRows<T>(w, second, width, x, cols, at, y, stride);
    else if (rest == 2) twoRows<T>(w, second, width, x, cols, at, y, stride);
    else if (rest == 1) lastRow<T>(w, second, width, x, cols, at, y);
    w += blockBytes<T>(width);
  }
}

/**
 * One row: output rows in fours of groups, the rest one by one. More: in pairs of groups. Five-bit
 * weights are unpacked for one row, too.
 */
function allRows<T>(t: Tensor, rows: i32, out: usize, from: usize, to: usize): void {
  const width = to * 4;
  const bytes = groupBytes<T>(t.cols);
  let w = t.data + from * bytes;
  let n = from * 4;
  out += from * 16;
  if (rows == 1 && !isFives<T>()) {
    for (; n + 16 <= width; n += 16, w += 4 * bytes, out += 64) oneRowFour<T>(w, t.cols, out);
    for (; n < width; n += 4, w += bytes, out += 16) oneRow<T>(w, t.cols, out);
    return;
  }
  for (; n < width; n += 8, w += 2 * bytes, out += 32) {
    manyRows<T>(n + 8 <= width, w, t, rows, out);
  }
}

/** out [rows × t.rows, rounded up to 4] = input · tᵀ, of output rows 4·`from` to 4·`to`. */
export function productExact(t: Tensor, rows: i32, out: usize, from: i32, to: i32): void {
  if (t.type == F32) allRows<F32Column>(t, rows, out, from, to);
  else if (t.type == F16) allRows<F16Column>(t, rows, out, from, to);
  else if (t.type == BF16) allRows<BF16Column>(t, rows, out, from, to);
  else if (t.type == Q5_0) allRows<Q50Block>(t, rows, out, from, to);
  else if (t.type == Q5_1) allRows<Q51Block>(t, rows, out, from, to);
  else if (t.type == Q8_0) allRows<Q80Block>(t, rows, out, from, to);
  else if (t.type == Q4_0) allRows<Q40Block>(t, rows, out, from, to);
  else allRows<Q41Block>(t, rows, out, from, to);
}
