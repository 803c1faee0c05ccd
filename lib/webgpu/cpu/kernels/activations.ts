import { BLOCK, range } from './range';
import { ROUNDER, sumLanes } from './vector';

/** Readies `input` [rows × cols] for products with block formats: sums, and int16 if asked. */
export function prepareInput(rows: i32, cols: i32): void {
  if (cols % BLOCK != 0) return; // only F32 and F16 weights may have such a width
  const r = range();
  const blocks = rows * (cols / BLOCK);
  let x = r.input;
  let x16 = r.input16;
  for (let block: usize = 0; block < <usize>blocks; block++) {
    if (r.int16) quantiseBlock(x, x16, r.scales + block * 4, r.sums + block * 4);
    else store<f32>(r.sums + block * 4, sumBlock(x));
    x += BLOCK * 4;
    x16 += BLOCK * 2;
  }
}

@inline
function sumBlock(x: usize): f32 {
  let sum = v128.load(x);
  for (let i = 1; i < 8; i++) {
    x += 16;
    sum = f32x4.add(sum, v128.load(x));
  }
  return sumLanes(sum);
}

/** x ≈ scale · int16, scale = max|x| / 32767; `sum` is of the rounded values. */
@inline
function quantiseBlock(x: usize, x16: usize, scale: usize, sum: usize): void {
  let top = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < <usize>BLOCK * 4; i += 16) {
    top = f32x4.pmax(top, f32x4.abs(v128.load(x + i)));
  }
  const pairs = f32x4.pmax(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
  const most = max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
  const inverse = f32x4.splat(most > 1e-30 ? <f32>32767 / most : 0);
  let total = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>BLOCK * 4; i += 32) {
    const low = roundToInt(f32x4.mul(v128.load(x + i), inverse));
    const high = roundToInt(f32x4.mul(v128.load(x + i, 16), inverse));
    const both = i16x8.narrow_i32x4_s(low, high);
    v128.store(x16 + i / 2, both);
    total = i32x4.add(total, i32x4.dot_i16x8_s(both, i16x8.splat(1)));
  }
  const step: f32 = most > 1e-30 ? most / <f32>32767 : 0;
  const halves = i32x4.add(total, v128.shuffle<i32>(total, total, 2, 3, 0, 1));
  const count = i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1);
  store<f32>(scale, step);
  store<f32>(sum, step * <f32>count);
}

@inline
function roundToInt(x: v128): v128 {
  return i32x4.sub(f32x4.add(x, f32x4.splat(ROUNDER)), i32x4.splat(reinterpret<i32>(ROUNDER)));
}
