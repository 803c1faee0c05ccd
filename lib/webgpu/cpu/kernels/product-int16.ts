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

/** One input row of nibble weights against one group of output rows, or two neighbouring ones. */
@inline
function oneRowNibbles(type: i32, two: bool, w: usize, cols: usize, out: usize): void {
  const r = range();
  const second = packedGroupBytes(type, <i32>cols);
  const blocks = cols / BLOCK;
  let x = r.input16;
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  for (let block: usize = 0; block < blocks; block++) {
    // Nibbles stay where they are in their 16 bits: sums of q, 16·q and 256·q, shifted back once.
    let a0 = i32x4.splat(0);
    let b0 = a0, c0 = a0, a1 = a0, b1 = a0, c1 = a0;
    let p = w + headerBytes(type);
    for (let i = 0; i < 4; i++) {
      const w0 = v128.load(p);
      const w1 = two ? v128.load(p + second) : w0;
      let xs = v128.load32_splat(x);
      a0 = dotAdd(a0, v128.and(w0, i16x8.splat(0x000f)), xs);
      if (two) a1 = dotAdd(a1, v128.and(w1, i16x8.splat(0x000f)), xs);
      xs = v128.load32_splat(x, 4);
      b0 = dotAdd(b0, v128.and(w0, i16x8.splat(0x00f0)), xs);
      if (two) b1 = dotAdd(b1, v128.and(w1, i16x8.splat(0x00f0)), xs);
      xs = v128.load32_splat(x, 8);
      c0 = dotAdd(c0, v128.and(w0, i16x8.splat(0x0f00)), xs);
      if (two) c1 = dotAdd(c1, v128.and(w1, i16x8.splat(0x0f00)), xs);
      xs = v128.load32_splat(x, 12);
      a0 = dotAdd(a0, i16x8.shr_u(w0, 12), xs);
      if (two) a1 = dotAdd(a1, i16x8.shr_u(w1, 12), xs);
      p += 16;
      x += 16;
    }
    const s = v128.load32_splat(r.scales + block * 4);
    const sum = v128.load32_splat(r.sums + block * 4);
    a0 = i32x4.add(a0, i32x4.add(i32x4.shr_s(b0, 4), i32x4.shr_s(c0, 8)));
    y0 = f32x4.add(y0, scaled(type, w, a0, s, sum));
    if (two) {
      a1 = i32x4.add(a1, i32x4.add(i32x4.shr_s(b1, 4), i32x4.shr_s(c1, 8)));
      y1 = f32x4.add(y1, scaled(type, w + second, a1, s, sum));
    }
    w += packedBlockBytes(type);
  }
  v128.store(out, y0);
  if (two) v128.store(out, y1, 16);
}

/** One input row of byte weights against one group of output rows, or two neighbouring ones. */
@inline
function oneRowBytes(two: bool, w: usize, cols: usize, out: usize): void {
  const r = range();
  const second = packedGroupBytes(Q8_0, <i32>cols);
  const blocks = cols / BLOCK;
  let x = r.input16;
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  for (let block: usize = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let p = w + headerBytes(Q8_0);
    for (let i = 0; i < 8; i++) {
      let xs = v128.load32_splat(x);
      a0 = dotAdd(a0, v128.load8x8_s(p), xs);
      if (two) a1 = dotAdd(a1, v128.load8x8_s(p + second), xs);
      xs = v128.load32_splat(x, 4);
      a0 = dotAdd(a0, v128.load8x8_s(p, 8), xs);
      if (two) a1 = dotAdd(a1, v128.load8x8_s(p + second, 8), xs);
      p += 16;
      x += 8;
    }
    const s = v128.load32_splat(r.scales + block * 4);
    const sum = v128.load32_splat(r.sums + block * 4);
    y0 = f32x4.add(y0, scaled(Q8_0, w, a0, s, sum));
    if (two) y1 = f32x4.add(y1, scaled(Q8_0, w + second, a1, s, sum));
    w += packedBlockBytes(Q8_0);
  }
  v128.store(out, y0);
  if (two) v128.store(out, y1, 16);
}

@inline
function oneRow(type: i32, two: bool, w: usize, cols: usize, out: usize): void {
  if (type == Q8_0) oneRowBytes(two, w, cols, out);
  else oneRowNibbles(type, two, w, cols, out);
}

/** Four input rows from row `row` on against one group of output rows. */
@inline
function fourRows(type: i32, w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  const r = range();
  const blocks = cols / BLOCK;
  const row4 = blocks * 4;
  let s0 = r.scales + row * row4;
  let m0 = r.sums + row * row4;
  let x0 = r.input16 + row * cols * 2;
  let x1 = x0 + cols * 2;
  let x2 = x1 + cols * 2;
  let x3 = x2 + cols * 2;
  let y0 = f32x4.splat(0);
  let y1 = y0, y2 = y0, y3 = y0;
  for (let block: usize = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0;
    let p = w + headerBytes(type);
    for (let i = 0; i < 4; i++) {
      const raw = type == Q8_0 ? a0 : v128.load(p);
      let n = pairOf(type, 0, raw, p);
      a0 = dotAdd(a0, n, v128.load32_splat(x0));
      a1 = dotAdd(a1, n, v128.load32_splat(x1));
      a2 = dotAdd(a2, n, v128.load32_splat(x2));
      a3 = dotAdd(a3, n, v128.load32_splat(x3));
      n = pairOf(type, 1, raw, p);
      a0 = dotAdd(a0, n, v128.load32_splat(x0, 4));
      a1 = dotAdd(a1, n, v128.load32_splat(x1, 4));
      a2 = dotAdd(a2, n, v128.load32_splat(x2, 4));
      a3 = dotAdd(a3, n, v128.load32_splat(x3, 4));
      n = pairOf(type, 2, raw, p);
      a0 = dotAdd(a0, n, v128.load32_splat(x0, 8));
      a1 = dotAdd(a1, n, v128.load32_splat(x1, 8));
      a2 = dotAdd(a2, n, v128.load32_splat(x2, 8));
      a3 = dotAdd(a3, n, v128.load32_splat(x3, 8));
      n = pairOf(type, 3, raw, p);
      a0 = dotAdd(a0, n, v128.load32_splat(x0, 12));
      a1 = dotAdd(a1, n, v128.load32_splat(x1, 12));
      a2 = dotAdd(a2, n, v128.load32_splat(x2, 12));
      a3 = dotAdd(a3, n, v128.load32_splat(x3, 12));
      p += type == Q8_0 ? 32 : 16;
      x0 += 16;
      x1 += 16;
      x2 += 16;
      x3 += 16;
    }
    y0 = f32x4.add(y0, scaled(type, w, a0, v128.load32_splat(s0), v128.load32_splat(m0)));
    y1 = f32x4.add(y1, scaled(type, w, a1, v128.load32_splat(s0 + row4), v128.load32_splat(m0 + row4)));
    y2 = f32x4.add(y2, scaled(type, w, a2, v128.load32_splat(s0 + 2 * row4), v128.load32_splat(m0 + 2 * row4)));
    y3 = f32x4.add(y3, scaled(type, w, a3, v128.load32_splat(s0 + 3 * row4), v128.load32_splat(m0 + 3 * row4)));
    s0 += 4;
    m0 += 4;
    w += packedBlockBytes(type);
  }
  v128.store(out, y0);
  v128.store(out + stride, y1);
  v128.store(out + 2 * stride, y2);
  v128.store(out + 3 * stride, y3);
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
        fourRows(type, w, cols, row, to, width * 4);
        if (two) fourRows(type, w + groupBytes, cols, row, to + 16, width * 4);
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
