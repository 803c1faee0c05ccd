import {
  BLOCK,
  Q4_0,
  Q4_1,
  Q8_0,
  Tensor,
  packedBlockBytes,
  packedGroupBytes,
  range,
  roundUp4,
} from './range';

/*
 * y = W·x with x in int16: for a block, Σ w·x = d·s·Σ q·x16 + m·Σ x. A vector holds two columns of
 * four output rows, so that `dot_i16x8_s` leaves one sum a lane: |Σ q·x16| ≤ 32·128·32767 < 2³¹.
 * The integer sums are exact and the fp32 order is one, so every kernel here gives equal bits.
 */

/** fp32 value of a block's integer sums: four output rows, one input row. */
@inline
function scaled(type: i32, w: usize, isum: v128, s: v128, sum: v128): v128 {
  const f = f32x4.mul(f32x4.convert_i32x4_s(isum), s);
  const d = v128.load(w);
  if (type == Q4_1) return f32x4.add(f32x4.mul(d, f), f32x4.mul(v128.load(w, 16), sum));
  if (type == Q4_0) return f32x4.mul(d, f32x4.sub(f, f32x4.mul(f32x4.splat(8), sum)));
  return f32x4.mul(d, f);
}

/** acc + the dot of a weight vector with the columns that `x` repeats. */
@inline
function dotAdd(acc: v128, w: v128, x: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(w, x));
}

@inline
function headerBytes(type: i32): usize {
  return type == Q4_1 ? 32 : 16;
}

/** Weights of columns 2·step, 2·step + 1 of a run of eight: `raw` of nibbles, or bytes at `p`. */
@inline
function pairOf(type: i32, step: i32, raw: v128, p: usize): v128 {
  if (type == Q8_0) return v128.load8x8_s(p + <usize>step * 8);
  if (step == 0) return v128.and(raw, i16x8.splat(15));
  if (step == 3) return i16x8.shr_u(raw, 12);
  return v128.and(i16x8.shr_u(raw, step * 4), i16x8.splat(15));
}

/** One input row against one group of output rows, or two neighbouring ones. */
@inline
function oneRow(type: i32, two: bool, w: usize, cols: usize, out: usize): void {
  const r = range();
  const second = packedGroupBytes(type, <i32>cols);
  const blocks = cols / BLOCK;
  let x = r.input16;
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  for (let block: usize = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let p = w + headerBytes(type);
    for (let i = 0; i < 4; i++) {
      const w0 = type == Q8_0 ? a0 : v128.load(p);
      const w1 = type == Q8_0 || !two ? a0 : v128.load(p + second);
      let xs = v128.load32_splat(x);
      a0 = dotAdd(a0, pairOf(type, 0, w0, p), xs);
      if (two) a1 = dotAdd(a1, pairOf(type, 0, w1, p + second), xs);
      xs = v128.load32_splat(x, 4);
      a0 = dotAdd(a0, pairOf(type, 1, w0, p), xs);
      if (two) a1 = dotAdd(a1, pairOf(type, 1, w1, p + second), xs);
      xs = v128.load32_splat(x, 8);
      a0 = dotAdd(a0, pairOf(type, 2, w0, p), xs);
      if (two) a1 = dotAdd(a1, pairOf(type, 2, w1, p + second), xs);
      xs = v128.load32_splat(x, 12);
      a0 = dotAdd(a0, pairOf(type, 3, w0, p), xs);
      if (two) a1 = dotAdd(a1, pairOf(type, 3, w1, p + second), xs);
      p += type == Q8_0 ? 32 : 16;
      x += 16;
    }
    const s = v128.load32_splat(r.scales + block * 4);
    const sum = v128.load32_splat(r.sums + block * 4);
    y0 = f32x4.add(y0, scaled(type, w, a0, s, sum));
    if (two) y1 = f32x4.add(y1, scaled(type, w + second, a1, s, sum));
    w += packedBlockBytes(type);
  }
  v128.store(out, y0);
  if (two) v128.store(out, y1, 16);
}

/** out = (first ? 0 : out) + the block's value; `at` numbers the input row's block. */
@inline
function addScaled(type: i32, w: usize, isum: v128, at: usize, out: usize, first: bool): void {
  const r = range();
  const s = v128.load32_splat(r.scales + at * 4);
  const sum = v128.load32_splat(r.sums + at * 4);
  const prior = first ? f32x4.splat(0) : v128.load(out);
  v128.store(out, f32x4.add(prior, scaled(type, w, isum, s, sum)));
}

/** Four input rows from row `row` on against one group of output rows, or two. */
@inline
function fourRows(type: i32, two: bool, w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  const r = range();
  const second = packedGroupBytes(type, <i32>cols);
  const blocks: usize = cols / BLOCK;
  let at = row * blocks;
  let x0 = r.input16 + row * cols * 2;
  let x1 = x0 + cols * 2;
  let x2 = x1 + cols * 2;
  let x3 = x2 + cols * 2;
  for (let block: usize = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    let p = w + headerBytes(type);
    for (let i = 0; i < 4; i++) {
      const w0 = type == Q8_0 ? a0 : v128.load(p);
      const w1 = type == Q8_0 || !two ? a0 : v128.load(p + second);
      let n0 = w0, n1 = w1, xs = w0;
      n0 = pairOf(type, 0, w0, p);
      if (two) n1 = pairOf(type, 0, w1, p + second);
      xs = v128.load32_splat(x0);
      a0 = dotAdd(a0, n0, xs);
      if (two) b0 = dotAdd(b0, n1, xs);
      xs = v128.load32_splat(x1);
      a1 = dotAdd(a1, n0, xs);
      if (two) b1 = dotAdd(b1, n1, xs);
      xs = v128.load32_splat(x2);
      a2 = dotAdd(a2, n0, xs);
      if (two) b2 = dotAdd(b2, n1, xs);
      xs = v128.load32_splat(x3);
      a3 = dotAdd(a3, n0, xs);
      if (two) b3 = dotAdd(b3, n1, xs);
      n0 = pairOf(type, 1, w0, p);
      if (two) n1 = pairOf(type, 1, w1, p + second);
      xs = v128.load32_splat(x0, 4);
      a0 = dotAdd(a0, n0, xs);
      if (two) b0 = dotAdd(b0, n1, xs);
      xs = v128.load32_splat(x1, 4);
      a1 = dotAdd(a1, n0, xs);
      if (two) b1 = dotAdd(b1, n1, xs);
      xs = v128.load32_splat(x2, 4);
      a2 = dotAdd(a2, n0, xs);
      if (two) b2 = dotAdd(b2, n1, xs);
      xs = v128.load32_splat(x3, 4);
      a3 = dotAdd(a3, n0, xs);
      if (two) b3 = dotAdd(b3, n1, xs);
      n0 = pairOf(type, 2, w0, p);
      if (two) n1 = pairOf(type, 2, w1, p + second);
      xs = v128.load32_splat(x0, 8);
      a0 = dotAdd(a0, n0, xs);
      if (two) b0 = dotAdd(b0, n1, xs);
      xs = v128.load32_splat(x1, 8);
      a1 = dotAdd(a1, n0, xs);
      if (two) b1 = dotAdd(b1, n1, xs);
      xs = v128.load32_splat(x2, 8);
      a2 = dotAdd(a2, n0, xs);
      if (two) b2 = dotAdd(b2, n1, xs);
      xs = v128.load32_splat(x3, 8);
      a3 = dotAdd(a3, n0, xs);
      if (two) b3 = dotAdd(b3, n1, xs);
      n0 = pairOf(type, 3, w0, p);
      if (two) n1 = pairOf(type, 3, w1, p + second);
      xs = v128.load32_splat(x0, 12);
      a0 = dotAdd(a0, n0, xs);
      if (two) b0 = dotAdd(b0, n1, xs);
      xs = v128.load32_splat(x1, 12);
      a1 = dotAdd(a1, n0, xs);
      if (two) b1 = dotAdd(b1, n1, xs);
      xs = v128.load32_splat(x2, 12);
      a2 = dotAdd(a2, n0, xs);
      if (two) b2 = dotAdd(b2, n1, xs);
      xs = v128.load32_splat(x3, 12);
      a3 = dotAdd(a3, n0, xs);
      if (two) b3 = dotAdd(b3, n1, xs);
      p += type == Q8_0 ? 32 : 16;
      x0 += 16;
      x1 += 16;
      x2 += 16;
      x3 += 16;
    }
    addScaled(type, w, a0, at, out, block == 0);
    addScaled(type, w, a1, at + blocks, out + stride, block == 0);
    addScaled(type, w, a2, at + 2 * blocks, out + 2 * stride, block == 0);
    addScaled(type, w, a3, at + 3 * blocks, out + 3 * stride, block == 0);
    if (two) {
      addScaled(type, w + second, b0, at, out + 16, block == 0);
      addScaled(type, w + second, b1, at + blocks, out + 16 + stride, block == 0);
      addScaled(type, w + second, b2, at + 2 * blocks, out + 16 + 2 * stride, block == 0);
      addScaled(type, w + second, b3, at + 3 * blocks, out + 16 + 3 * stride, block == 0);
    }
    at++;
    w += packedBlockBytes(type);
  }
}

/** Output rows in pairs of groups, an odd last group alone. */
@inline
function allRows(type: i32, t: Tensor, rows: i32, out: usize): void {
  const cols = <usize>t.cols;
  const width = <usize>roundUp4(t.rows);
  const groupBytes = packedGroupBytes(type, t.cols);
  let w = t.data;
  for (let n: usize = 0; n < width; n += 8) {
    const two = n + 8 <= width;
    if (rows == 1) {
      if (two) oneRow(type, true, w, cols, out);
      else oneRow(type, false, w, cols, out);
    } else {
      for (let row: usize = 0; row < <usize>rows; row += 4) {
        const to = out + row * width * 4;
        if (two) fourRows(type, true, w, cols, row, to, width * 4);
        else fourRows(type, false, w, cols, row, to, width * 4);
      }
    }
    w += 2 * groupBytes;
    out += 32;
  }
}

/** out [rows, rounded up to 4 past one × t.rows, rounded up to 4] = prepared input · tᵀ. */
export function productInt16(t: Tensor, rows: i32, out: usize): void {
  if (t.type == Q4_1) allRows(Q4_1, t, rows, out);
  else if (t.type == Q4_0) allRows(Q4_0, t, rows, out);
  else allRows(Q8_0, t, rows, out);
}
