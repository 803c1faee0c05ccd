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
  for (let row = from; row < to; row++, x += <usize>cols * 4) {
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

/** x ≈ scale · int16, scale = max|x| / 32767; `sum` is of the rounded values. Pairs lie `next` apart. */
@inline
function quantiseBlock(x: usize, x16: usize, next: usize, scale: usize, sum: usize): void {
  let top = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < <usize>BLOCK * 4; i += 16) {
    top = f32x4.pmax(top, f32x4.abs(v128.load(x + i)));
  }
  const most = maxLanes(top);
  const inverse = inverseOf(most);
  let total = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>BLOCK * 4; i += 32) {
    const low = roundToInt(f32x4.mul(v128.load(x + i), inverse));
    const high = roundToInt(f32x4.mul(v128.load(x + i, 16), inverse));
    const both = i16x8.narrow_i32x4_s(low, high);
    v128.store_lane<i32>(x16, both, 0);
    v128.store_lane<i32>(x16 + next, both, 1);
    v128.store_lane<i32>(x16 + 2 * next, both, 2);
    v128.store_lane<i32>(x16 + 3 * next, both, 3);
    x16 += 4 * next;
    total = i32x4.add(total, i32x4.dot_i16x8_s(both, i16x8.splat(1)));
  }
  const step = f32x4.extract_lane(stepOf(most), 0);
  const halves = i32x4.add(total, v128.shuffle<i32>(total, total, 2, 3, 0, 1));
  const count = i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1);
  store<f32>(scale, step);
  store<f32>(sum, step * <f32>count);
}
