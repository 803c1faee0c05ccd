import {
  BLOCK,
  F16,
  F32,
  Q4_0,
  Q4_1,
  Q8_0,
  Tensor,
  packedBlockBytes,
  packedGroupBytes,
  range,
  roundUp4,
} from './range';
import { columnOf, looseColumn, nibbleColumn, runBytes } from './unpack';

/*
 * y = W·x in fp32. A vector holds one column of four output rows. A block's columns are added in
 * order from zero, then y += d·Σ q·x + m·Σ x (F32, F16: y += Σ w·x): in every kernel here, so that
 * a row's bits are the same whatever rows come with it.
 */

@inline
function headerBytes(type: i32): usize {
  if (type == F32 || type == F16) return 0;
  return type == Q4_1 ? 32 : 16;
}

@inline
function blockBytesOf(type: i32, cols: usize): usize {
  const bytes = packedBlockBytes(type);
  return type == F32 || type == F16 ? (bytes / BLOCK) * cols : bytes;
}

@inline
function mulAdd(acc: v128, w: v128, x: v128): v128 {
  return f32x4.add(acc, f32x4.mul(w, x));
}

/** A block's sum with its scale: `w` the block's header, `at` the input row's block number. */
@inline
function scaled(type: i32, w: usize, acc: v128, at: usize): v128 {
  if (type == F32 || type == F16) return acc;
  const sum = v128.load32_splat(range().sums + at * 4);
  const d = v128.load(w);
  if (type == Q4_1) return f32x4.add(f32x4.mul(d, acc), f32x4.mul(v128.load(w, 16), sum));
  if (type == Q4_0) return f32x4.mul(d, f32x4.sub(acc, f32x4.mul(f32x4.splat(8), sum)));
  return f32x4.mul(d, acc);
}

/**
 * One input row against four neighbouring groups of nibble weights: one row has a chain of additions
 * a group, and fewer chains leave the adders idle.
 */
@inline
function oneRowFour(type: i32, w: usize, cols: usize, out: usize): void {
  const second = packedGroupBytes(type, <i32>cols);
  const r = range();
  let x = r.input;
  let y0 = f32x4.splat(0);
  let y1 = y0, y2 = y0, y3 = y0;
  const blocks = cols / BLOCK;
  for (let block: usize = 0; block < blocks; block++) {
    let a0 = f32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0;
    let p = w + headerBytes(type);
    for (let i = 0; i < 4; i++) {
      const w0 = v128.load(p);
      const w1 = v128.load(p + second);
      const w2 = v128.load(p + 2 * second);
      const w3 = v128.load(p + 3 * second);
      let xs = v128.load32_splat(x);
      a0 = mulAdd(a0, nibbleColumn(0, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(0, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(0, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(0, w3), xs);
      xs = v128.load32_splat(x, 4);
      a0 = mulAdd(a0, nibbleColumn(1, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(1, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(1, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(1, w3), xs);
      xs = v128.load32_splat(x, 8);
      a0 = mulAdd(a0, nibbleColumn(2, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(2, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(2, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(2, w3), xs);
      xs = v128.load32_splat(x, 12);
      a0 = mulAdd(a0, nibbleColumn(3, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(3, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(3, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(3, w3), xs);
      xs = v128.load32_splat(x, 16);
      a0 = mulAdd(a0, nibbleColumn(4, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(4, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(4, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(4, w3), xs);
      xs = v128.load32_splat(x, 20);
      a0 = mulAdd(a0, nibbleColumn(5, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(5, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(5, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(5, w3), xs);
      xs = v128.load32_splat(x, 24);
      a0 = mulAdd(a0, nibbleColumn(6, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(6, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(6, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(6, w3), xs);
      xs = v128.load32_splat(x, 28);
      a0 = mulAdd(a0, nibbleColumn(7, w0), xs);
      a1 = mulAdd(a1, nibbleColumn(7, w1), xs);
      a2 = mulAdd(a2, nibbleColumn(7, w2), xs);
      a3 = mulAdd(a3, nibbleColumn(7, w3), xs);
      p += 16;
      x += 32;
    }
    y0 = f32x4.add(y0, scaled(type, w, a0, block));
    y1 = f32x4.add(y1, scaled(type, w + second, a1, block));
    y2 = f32x4.add(y2, scaled(type, w + 2 * second, a2, block));
    y3 = f32x4.add(y3, scaled(type, w + 3 * second, a3, block));
    w += packedBlockBytes(type);
  }
  v128.store(out, y0);
  v128.store(out, y1, 16);
  v128.store(out, y2, 32);
  v128.store(out, y3, 48);
}

/** One input row against one group of output rows, or two neighbouring ones. */
@inline
function oneRow(type: i32, two: bool, w: usize, cols: usize, out: usize): void {
  const second = packedGroupBytes(type, <i32>cols);
  let x = range().input;
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  for (let from: usize = 0; from < cols; from += BLOCK) {
    const width = min(<usize>BLOCK, cols - from);
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let p = w + headerBytes(type);
    let col: usize = 0;
    for (; col + 8 <= width; col += 8) {
      let xs = v128.load32_splat(x);
      a0 = mulAdd(a0, columnOf(type, 0, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 0, p + second), xs);
      xs = v128.load32_splat(x, 4);
      a0 = mulAdd(a0, columnOf(type, 1, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 1, p + second), xs);
      xs = v128.load32_splat(x, 8);
      a0 = mulAdd(a0, columnOf(type, 2, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 2, p + second), xs);
      xs = v128.load32_splat(x, 12);
      a0 = mulAdd(a0, columnOf(type, 3, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 3, p + second), xs);
      xs = v128.load32_splat(x, 16);
      a0 = mulAdd(a0, columnOf(type, 4, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 4, p + second), xs);
      xs = v128.load32_splat(x, 20);
      a0 = mulAdd(a0, columnOf(type, 5, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 5, p + second), xs);
      xs = v128.load32_splat(x, 24);
      a0 = mulAdd(a0, columnOf(type, 6, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 6, p + second), xs);
      xs = v128.load32_splat(x, 28);
      a0 = mulAdd(a0, columnOf(type, 7, p), xs);
      if (two) a1 = mulAdd(a1, columnOf(type, 7, p + second), xs);
      p += runBytes(type);
      x += 32;
    }
    for (let loose: usize = 0; col < width; col++, loose++) {
      const xs = v128.load32_splat(x);
      a0 = mulAdd(a0, looseColumn(type, loose, p), xs);
      if (two) a1 = mulAdd(a1, looseColumn(type, loose, p + second), xs);
      x += 4;
    }
    y0 = f32x4.add(y0, scaled(type, w, a0, from / BLOCK));
    if (two) y1 = f32x4.add(y1, scaled(type, w + second, a1, from / BLOCK));
    w += blockBytesOf(type, width);
  }
  v128.store(out, y0);
  if (two) v128.store(out, y1, 16);
}

/** Writes a block's columns of two groups side by side: [width × 8] at `unpacked`. */
@inline
function unpackBlock(type: i32, w: usize, second: usize, width: usize): void {
  let to = range().unpacked;
  let col: usize = 0;
  let p = w + headerBytes(type);
  for (; col + 8 <= width; col += 8) {
    v128.store(to, columnOf(type, 0, p), 0);
    v128.store(to, columnOf(type, 0, p + second), 16);
    v128.store(to, columnOf(type, 1, p), 32);
    v128.store(to, columnOf(type, 1, p + second), 48);
    v128.store(to, columnOf(type, 2, p), 64);
    v128.store(to, columnOf(type, 2, p + second), 80);
    v128.store(to, columnOf(type, 3, p), 96);
    v128.store(to, columnOf(type, 3, p + second), 112);
    v128.store(to, columnOf(type, 4, p), 128);
    v128.store(to, columnOf(type, 4, p + second), 144);
    v128.store(to, columnOf(type, 5, p), 160);
    v128.store(to, columnOf(type, 5, p + second), 176);
    v128.store(to, columnOf(type, 6, p), 192);
    v128.store(to, columnOf(type, 6, p + second), 208);
    v128.store(to, columnOf(type, 7, p), 224);
    v128.store(to, columnOf(type, 7, p + second), 240);
    p += runBytes(type);
    to += 256;
  }
  for (let loose: usize = 0; col < width; col++, loose++, to += 32) {
    v128.store(to, looseColumn(type, loose, p));
    v128.store(to, looseColumn(type, loose, p + second), 16);
  }
}

/** One unpacked block against four input rows from `x` on, `cols` wide. */
@inline
function fourRows(type: i32, w: usize, second: usize, width: usize, x: usize, cols: usize, at: usize, out: usize, stride: usize): void {
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
    xs = v128.load32_splat(x1);
    a1 = mulAdd(a1, w0, xs);
    b1 = mulAdd(b1, w1, xs);
    xs = v128.load32_splat(x2);
    a2 = mulAdd(a2, w0, xs);
    b2 = mulAdd(b2, w1, xs);
    xs = v128.load32_splat(x3);
    a3 = mulAdd(a3, w0, xs);
    b3 = mulAdd(b3, w1, xs);
    p += 32;
    x += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  const blocks = cols / BLOCK;
  addTo(out, scaled(type, w, a0, at));
  addTo(out + stride, scaled(type, w, a1, at + blocks));
  addTo(out + 2 * stride, scaled(type, w, a2, at + 2 * blocks));
  addTo(out + 3 * stride, scaled(type, w, a3, at + 3 * blocks));
  if (second == 0) return;
  addTo(out + 16, scaled(type, w + second, b0, at));
  addTo(out + 16 + stride, scaled(type, w + second, b1, at + blocks));
  addTo(out + 16 + 2 * stride, scaled(type, w + second, b2, at + 2 * blocks));
  addTo(out + 16 + 3 * stride, scaled(type, w + second, b3, at + 3 * blocks));
}

@inline
function addTo(out: usize, value: v128): void {
  v128.store(out, f32x4.add(v128.load(out), value));
}

/** All input rows against one or two groups: each block is unpacked once. */
@inline
function manyRows(type: i32, two: bool, w: usize, t: Tensor, rows: i32, out: usize): void {
  const cols = <usize>t.cols;
  const stride = <usize>roundUp4(t.rows) * 4;
  const second = two ? packedGroupBytes(type, t.cols) : 0;
  const blocks = cols / BLOCK;
  const end = <usize>roundUp4(rows);
  for (let row: usize = 0; row < end; row++) {
    v128.store(out + row * stride, f32x4.splat(0));
    if (two) v128.store(out + row * stride, f32x4.splat(0), 16);
  }
  for (let from: usize = 0; from < cols; from += BLOCK) {
    const width = min(<usize>BLOCK, cols - from);
    unpackBlock(type, w, second, width);
    for (let row: usize = 0; row < end; row += 4) {
      const x = range().input + (row * cols + from) * 4;
      const at = row * blocks + from / BLOCK;
      fourRows(type, w, second, width, x, cols, at, out + row * stride, stride);
    }
    w += blockBytesOf(type, width);
  }
}

/** Output rows in pairs of groups, an odd last group alone. */
@inline
function allRows(type: i32, t: Tensor, rows: i32, out: usize): void {
  const width = <usize>roundUp4(t.rows);
  const groupBytes = packedGroupBytes(type, t.cols);
  let w = t.data;
  let n: usize = 0;
  if (rows == 1 && (type == Q4_0 || type == Q4_1)) {
    for (; n + 16 <= width; n += 16, w += 4 * groupBytes, out += 64) {
      oneRowFour(type, w, t.cols, out);
    }
  }
  for (; n < width; n += 8, w += 2 * groupBytes, out += 32) {
    const two = n + 8 <= width;
    if (rows == 1) {
      if (two) oneRow(type, true, w, t.cols, out);
      else oneRow(type, false, w, t.cols, out);
    } else manyRows(type, two, w, t, rows, out);
  }
}

/** out [rows, rounded up to 4 past one × t.rows, rounded up to 4] = input · tᵀ. */
export function productExact(t: Tensor, rows: i32, out: usize): void {
  if (t.type == F32) allRows(F32, t, rows, out);
  else if (t.type == F16) allRows(F16, t, rows, out);
  else if (t.type == Q8_0) allRows(Q8_0, t, rows, out);
  else if (t.type == Q4_0) allRows(Q4_0, t, rows, out);
  else allRows(Q4_1, t, rows, out);
}
