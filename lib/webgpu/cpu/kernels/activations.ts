import { BLOCK, TILE, range } from './range';
import { inverseOf, maxLanes, roundToInt, stepOf, sumLanes } from './vector';

/**
 * Readies rows `from` to `to` of `input` [rows × cols], of each its blocks `first` to `last`, for
 * products with block formats. fp32: `sums` [rows × blocks]. int16: `input16` in tiles of four rows,
 * the last of what is left, each as the products read it, [col / 2][row] pairs; `scales` and `sums`
 * by tile, too: [block][row].
 */
export function prepareInput(rows: i32, cols: i32, from: i32, to: i32, first: i32, last: i32): void {
  if (cols % BLOCK != 0) return; // only F32 and F16 weights may have such a width
  const r = range();
  const blocks = <usize>cols / BLOCK;
  const skipped = <usize>first;
  const count = <usize>(last - first);
  let x = r.input + (<usize>(from * cols) + skipped * BLOCK) * 4;
  let row = from;
  if (r.int16 && from % TILE == 0) {
    for (; row + TILE <= to; row += TILE, x += <usize>(cols * TILE) * 4) {
      quantiseTile(x, <usize>cols * 4, <usize>row * blocks + skipped * TILE, count);
    }
  }
  for (; row < to; row++, x += <usize>cols * 4) {
    if (!r.int16) {
      sumRow(x, r.sums + (<usize>row * blocks + skipped) * 4, count);
      continue;
    }
    const height = <usize>min(TILE, rows - (row & -TILE));
    const lane = <usize>(row & (TILE - 1)) * 4;
    const at = <usize>(row & -TILE) * blocks + skipped * height;
    quantiseRow(x, at, lane, height, count);
  }
}

function sumRow(x: usize, to: usize, blocks: usize): void {
  for (const end = to + blocks * 4; to < end; to += 4, x += BLOCK * 4) store<f32>(to, sumBlock(x));
}

/** `blocks` blocks at `x` to their lane of a tile of `height` rows; `first` of row and block. */
function quantiseRow(x: usize, first: usize, lane: usize, height: usize, blocks: usize): void {
  const r = range();
  let x16 = r.input16 + first * BLOCK * 2 + lane;
  let at = first * 4 + lane;
  for (let block: usize = 0; block < blocks; block++, x += BLOCK * 4) {
    quantiseBlock(x, x16, height * 4, r.scales + at, r.sums + at);
    x16 += height * BLOCK * 2;
    at += height * 4;
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

/** Largest absolute of a block, in all lanes. */
@inline
function largest(x: usize): v128 {
  let top = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < <usize>BLOCK * 4; i += 16) {
    top = f32x4.pmax(top, f32x4.abs(v128.load(x + i)));
  }
  return maxLanes(top);
}

/** Eight values as int16. */
@inline
function roundEight(x: usize, inverse: v128): v128 {
  const low = roundToInt(f32x4.mul(v128.load(x), inverse));
  const high = roundToInt(f32x4.mul(v128.load(x, 16), inverse));
  return i16x8.narrow_i32x4_s(low, high);
}

/** x ≈ scale · int16, scale = max|x| / 32767; `sum` is of the rounded values. Pairs lie `next` apart. */
@inline
function quantiseBlock(x: usize, x16: usize, next: usize, scale: usize, sum: usize): void {
  const most = largest(x);
  const inverse = inverseOf(most);
  let total = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>BLOCK * 4; i += 32) {
    const eight = roundEight(x + i, inverse);
    v128.store_lane<i32>(x16, eight, 0);
    v128.store_lane<i32>(x16 + next, eight, 1);
    v128.store_lane<i32>(x16 + 2 * next, eight, 2);
    v128.store_lane<i32>(x16 + 3 * next, eight, 3);
    x16 += 4 * next;
    total = i32x4.add(total, i32x4.dot_i16x8_s(eight, i16x8.splat(1)));
  }
  const step = f32x4.extract_lane(stepOf(most), 0);
  const halves = i32x4.add(total, v128.shuffle<i32>(total, total, 2, 3, 0, 1));
  const count = i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1);
  store<f32>(scale, step);
  store<f32>(sum, step * <f32>count);
}

/** `blocks` blocks of a whole tile's rows, which lie `stride` bytes apart; `first` of row and block. */
function quantiseTile(x: usize, stride: usize, first: usize, blocks: usize): void {
  const r = range();
  let x16 = r.input16 + first * BLOCK * 2;
  let at = first * 4;
  for (let block: usize = 0; block < blocks; block++, x += BLOCK * 4, at += TILE * 4) {
    quantiseFour(x, stride, x16, r.scales + at, r.sums + at);
    x16 += BLOCK * TILE * 2;
  }
}

/** What `quantiseBlock` gives for each of four rows: they are turned in registers, a lane a row. */
@inline
function quantiseFour(x: usize, stride: usize, x16: usize, scales: usize, sums: usize): void {
  const x1 = x + stride;
  const x2 = x1 + stride;
  const x3 = x2 + stride;
  const first = v128.shuffle<i32>(largest(x), largest(x1), 0, 4, 0, 4);
  const second = v128.shuffle<i32>(largest(x2), largest(x3), 0, 4, 0, 4);
  const most = v128.shuffle<i64>(first, second, 0, 2);
  const inverses = inverseOf(most);
  const inverse0 = v128.shuffle<i32>(inverses, inverses, 0, 0, 0, 0);
  const inverse1 = v128.shuffle<i32>(inverses, inverses, 1, 1, 1, 1);
  const inverse2 = v128.shuffle<i32>(inverses, inverses, 2, 2, 2, 2);
  const inverse3 = v128.shuffle<i32>(inverses, inverses, 3, 3, 3, 3);
  let total = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>BLOCK * 4; i += 32, x16 += 64) {
    const a = roundEight(x + i, inverse0);
    const b = roundEight(x1 + i, inverse1);
    const c = roundEight(x2 + i, inverse2);
    const d = roundEight(x3 + i, inverse3);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    total = storePairs(x16, v128.shuffle<i64>(ab, cd, 0, 2), total);
    total = storePairs(x16 + 16, v128.shuffle<i64>(ab, cd, 1, 3), total);
    const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    total = storePairs(x16 + 32, v128.shuffle<i64>(abHigh, cdHigh, 0, 2), total);
    total = storePairs(x16 + 48, v128.shuffle<i64>(abHigh, cdHigh, 1, 3), total);
  }
  const steps = stepOf(most);
  v128.store(scales, steps);
  v128.store(sums, f32x4.mul(steps, f32x4.convert_i32x4_s(total)));
}

/** Stores a pair of columns of four rows. @returns `total` and each row's sum of the two. */
@inline
function storePairs(to: usize, pairs: v128, total: v128): v128 {
  v128.store(to, pairs);
  return i32x4.add(total, i32x4.dot_i16x8_s(pairs, i16x8.splat(1)));
}
