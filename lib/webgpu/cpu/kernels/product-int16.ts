import { Q40Block, Q41Block, Q80Block, isQ40, isQ41, isQ80, weightsOffset } from './formats';
import { BLOCK, GROUP, Q4_0, Q4_1, Tensor, range, roundUp4 } from './range';

/*
 * y = W·x with x in int16: for a block, Σ w·x = d·s·Σ q·x16 + m·Σ x. A vector holds two columns of
 * four output rows, so that `dot_i16x8_s` leaves one sum a lane: |Σ q·x16| ≤ 32·128·32767 < 2³¹.
 * The integer sums are exact and the fp32 order is one, so every kernel here gives equal bits.
 */

/**
 * One nibble of each 16-bit lane, for three of the four. Loaded and not `splat`: V8 builds a
 * constant anew at each use, which costs a sixth of the one-row product.
 */
const MASKS: usize = memory.data<u16>(
  [
    0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
    0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0,
    0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00, 0x0f00,
  ],
  16,
);

/** fp32 value of a block's integer sums: four output rows, one input row. */
@inline
function scaled<T>(w: usize, isum: v128, s: v128, sum: v128): v128 {
  const f = f32x4.mul(f32x4.convert_i32x4_s(isum), s);
  const d = v128.load(w);
  if (isQ41<T>()) return f32x4.add(f32x4.mul(d, f), f32x4.mul(v128.load(w, 16), sum));
  if (isQ40<T>()) return f32x4.mul(d, f32x4.sub(f, f32x4.mul(f32x4.splat(8), sum)));
  return f32x4.mul(d, f);
}

/** acc + the dot of a weight vector with the columns that `x` repeats. */
@inline
function dotAdd(acc: v128, w: v128, x: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(w, x));
}

/** A block's integer sums for one input row. */
@inline
function blockOfBytes(p: usize, x: usize): v128 {
  let a = i32x4.splat(0);
  for (let i = 0; i < 4; i++, p += 32, x += 16) {
    a = dotAdd(a, v128.load8x8_s(p), v128.load32_splat(x));
    a = dotAdd(a, v128.load8x8_s(p, 8), v128.load32_splat(x, 4));
    a = dotAdd(a, v128.load8x8_s(p, 16), v128.load32_splat(x, 8));
    a = dotAdd(a, v128.load8x8_s(p, 24), v128.load32_splat(x, 12));
  }
  return a;
}

/** The same of nibbles, left where they are: sums of q, 16·q and 256·q, shifted back once. */
@inline
function blockOfNibbles(p: usize, x: usize, mask0: v128, mask1: v128, mask2: v128): v128 {
  let a = i32x4.splat(0);
  let b = a, c = a;
  for (let i = 0; i < 4; i++, p += 16, x += 16) {
    const n = v128.load(p);
    a = dotAdd(a, v128.and(n, mask0), v128.load32_splat(x));
    b = dotAdd(b, v128.and(n, mask1), v128.load32_splat(x, 4));
    c = dotAdd(c, v128.and(n, mask2), v128.load32_splat(x, 8));
    a = dotAdd(a, i16x8.shr_u(n, 12), v128.load32_splat(x, 12));
  }
  return i32x4.add(a, i32x4.add(i32x4.shr_s(b, 4), i32x4.shr_s(c, 8)));
}

/** One input row against all output rows: `groups` of four. */
function oneRow<T>(w: usize, cols: usize, out: usize, groups: usize): void {
  const r = range();
  const blocks = cols / BLOCK;
  const mask0 = v128.load(MASKS);
  const mask1 = v128.load(MASKS, 16);
  const mask2 = v128.load(MASKS, 32);
  for (let group: usize = 0; group < groups; group++, out += 16) {
    let x = r.input16;
    let s = r.scales;
    let m = r.sums;
    let y = f32x4.splat(0);
    for (let block: usize = 0; block < blocks; block++, w += offsetof<T>()) {
      const p = w + weightsOffset<T>();
      const sums = isQ80<T>() ? blockOfBytes(p, x) : blockOfNibbles(p, x, mask0, mask1, mask2);
      y = f32x4.add(y, scaled<T>(w, sums, v128.load32_splat(s), v128.load32_splat(m)));
      x += BLOCK * 2;
      s += 4;
      m += 4;
    }
    v128.store(out, y);
  }
}

/** Weights of columns 2·step, 2·step + 1 of a run of eight: `raw` of nibbles, or bytes at `p`. */
@inline
function pairOf<T>(step: i32, raw: v128, p: usize, mask: v128): v128 {
  if (isQ80<T>()) return v128.load8x8_s(p + <usize>step * 8);
  if (step == 0) return v128.and(raw, mask);
  if (step == 3) return i16x8.shr_u(raw, 12);
  return v128.and(i16x8.shr_u(raw, step * 4), mask);
}

/** acc + the dot of a run of eight columns, given as four pairs, with those at `p`. */
@inline
function runAdd(acc: v128, n0: v128, n1: v128, n2: v128, n3: v128, p: usize): v128 {
  // One load and shuffles: with four splatting loads a row, V8 loads early and spills.
  const x = v128.load(p);
  acc = dotAdd(acc, n0, v128.shuffle<i32>(x, x, 0, 0, 0, 0));
  acc = dotAdd(acc, n1, v128.shuffle<i32>(x, x, 1, 1, 1, 1));
  acc = dotAdd(acc, n2, v128.shuffle<i32>(x, x, 2, 2, 2, 2));
  return dotAdd(acc, n3, v128.shuffle<i32>(x, x, 3, 3, 3, 3));
}

/** Four input rows from row `row` on against one group of output rows. */
function fourRows<T>(w: usize, cols: usize, row: usize, out: usize, stride: usize): void {
  const r = range();
  const mask = v128.load(MASKS);
  const blocks = cols / BLOCK;
  const row4 = blocks * 4;
  let s = r.scales + row * row4;
  let m = r.sums + row * row4;
  const next = cols * 2;
  let x = r.input16 + row * next;
  let y0 = f32x4.splat(0);
  let y1 = y0, y2 = y0, y3 = y0;
  for (let block: usize = 0; block < blocks; block++, w += offsetof<T>()) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0;
    let p = w + weightsOffset<T>();
    for (let i = 0; i < 4; i++, x += 16) {
      const raw = isQ80<T>() ? a0 : v128.load(p);
      const n0 = pairOf<T>(0, raw, p, mask);
      const n1 = pairOf<T>(1, raw, p, mask);
      const n2 = pairOf<T>(2, raw, p, mask);
      const n3 = pairOf<T>(3, raw, p, mask);
      a0 = runAdd(a0, n0, n1, n2, n3, x);
      a1 = runAdd(a1, n0, n1, n2, n3, x + next);
      a2 = runAdd(a2, n0, n1, n2, n3, x + 2 * next);
      a3 = runAdd(a3, n0, n1, n2, n3, x + 3 * next);
      p += isQ80<T>() ? 32 : 16;
    }
    y0 = f32x4.add(y0, scaled<T>(w, a0, splatAt(s), splatAt(m)));
    y1 = f32x4.add(y1, scaled<T>(w, a1, splatAt(s + row4), splatAt(m + row4)));
    y2 = f32x4.add(y2, scaled<T>(w, a2, splatAt(s + 2 * row4), splatAt(m + 2 * row4)));
    y3 = f32x4.add(y3, scaled<T>(w, a3, splatAt(s + 3 * row4), splatAt(m + 3 * row4)));
    s += 4;
    m += 4;
  }
  v128.store(out, y0);
  v128.store(out + stride, y1);
  v128.store(out + 2 * stride, y2);
  v128.store(out + 3 * stride, y3);
}

@inline
function splatAt(address: usize): v128 {
  return v128.load32_splat(address);
}

function allRows<T>(t: Tensor, rows: i32, out: usize): void {
  const cols = <usize>t.cols;
  const width = <usize>roundUp4(t.rows);
  let w = t.data;
  if (rows == 1) return oneRow<T>(w, cols, out, width / GROUP);
  for (let n: usize = 0; n < width; n += GROUP, out += 16) {
    for (let row: usize = 0; row < <usize>rows; row += 4) {
      fourRows<T>(w, cols, row, out + row * width * 4, width * 4);
    }
    w += (cols / BLOCK) * offsetof<T>();
  }
}

/** out [rows, rounded up to 4 past one × t.rows, rounded up to 4] = prepared input · tᵀ. */
export function productInt16(t: Tensor, rows: i32, out: usize): void {
  if (t.type == Q4_1) allRows<Q41Block>(t, rows, out);
  else if (t.type == Q4_0) allRows<Q40Block>(t, rows, out);
  else allRows<Q80Block>(t, rows, out);
}
