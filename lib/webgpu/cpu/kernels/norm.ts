import { range } from './range';
import { sumLanes } from './vector';

/** input = weight · x / √(mean x² + ε), for rows `from` to `to` of `hidden` at `x`. */
export function rmsNorm(x: usize, weight: usize, from: i32, to: i32): void {
  const r = range();
  const at = <usize>(from * r.hidden) * 4;
  normRows(x + at, r.input + at, weight, to - from, r.hidden);
}

/** The same over each head of rows `from` to `to` at `x` [rows × heads × headDim], in place. */
export function normHeads(x: usize, weight: usize, from: i32, to: i32, heads: i32): void {
  const at = x + <usize>(from * heads * range().headDim) * 4;
  normRows(at, at, weight, (to - from) * heads, range().headDim);
}

/** Columns past the last four are taken one by one. */
function normRows(from: usize, to: usize, weight: usize, rows: i32, cols: i32): void {
  const r = range();
  const bytes = <usize>cols * 4;
  const fours = bytes & ~15;
  for (let row = 0; row < rows; row++, from += bytes, to += bytes) {
    let squares = f32x4.splat(0);
    for (let i: usize = 0; i < fours; i += 16) {
      const x = v128.load(from + i);
      squares = f32x4.add(squares, f32x4.mul(x, x));
    }
    let sum = sumLanes(squares);
    for (let i = fours; i < bytes; i += 4) {
      const x = load<f32>(from + i);
      sum += x * x;
    }
    const mean = sum / <f32>cols;
    const factor = <f32>1 / sqrt<f32>(mean + r.rmsEps);
    const factors = f32x4.splat(factor);
    for (let i: usize = 0; i < fours; i += 16) {
      const x = f32x4.mul(v128.load(from + i), factors);
      v128.store(to + i, f32x4.mul(x, v128.load(weight + i)));
    }
    for (let i = fours; i < bytes; i += 4) {
      store<f32>(to + i, load<f32>(from + i) * factor * load<f32>(weight + i));
    }
  }
}

/** x += bias, for rows `from` to `to` of `cols` at `x`. */
export function addBias(x: usize, bias: usize, from: i32, to: i32, cols: i32): void {
  const bytes = <usize>cols * 4;
  const fours = bytes & ~15;
  x += from * bytes;
  for (let row = from; row < to; row++, x += bytes) {
    for (let i: usize = 0; i < fours; i += 16) {
      v128.store(x + i, f32x4.add(v128.load(x + i), v128.load(bias + i)));
    }
    for (let i = fours; i < bytes; i += 4) {
      store<f32>(x + i, load<f32>(x + i) + load<f32>(bias + i));
    }
  }
}

/**
 * stream += delta, rows `from`, a multiple of four, to `to` of `hidden`. The last vector may go into
 * rows that nobody reads: both buffers end with a whole vector.
 */
export function addDelta(from: i32, to: i32): void {
  const r = range();
  const end = <usize>to * r.hidden * 4;
  for (let i = <usize>from * r.hidden * 4; i < end; i += 16) {
    v128.store(r.stream + i, f32x4.add(v128.load(r.stream + i), v128.load(r.delta + i)));
  }
}
