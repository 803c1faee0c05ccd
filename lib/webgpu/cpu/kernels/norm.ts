import { range } from './range';
import { sumLanes } from './vector';

/** input = weight · x / √(mean x² + ε), for `rows` rows of `hidden` at `from`. */
export function rmsNorm(from: usize, weight: usize, rows: i32): void {
  const r = range();
  const bytes = <usize>r.hidden * 4;
  let to = r.input;
  for (let row = 0; row < rows; row++, from += bytes, to += bytes) {
    let squares = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const x = v128.load(from + i);
      squares = f32x4.add(squares, f32x4.mul(x, x));
    }
    const mean = sumLanes(squares) / <f32>r.hidden;
    const factor = f32x4.splat(<f32>1 / sqrt<f32>(mean + r.rmsEps));
    for (let i: usize = 0; i < bytes; i += 16) {
      const x = f32x4.mul(v128.load(from + i), factor);
      v128.store(to + i, f32x4.mul(x, v128.load(weight + i)));
    }
  }
}

/** stream += delta, `rows` rows of `hidden`. */
export function addDelta(rows: i32): void {
  const r = range();
  const bytes = <usize>rows * r.hidden * 4;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(r.stream + i, f32x4.add(v128.load(r.stream + i), v128.load(r.delta + i)));
  }
}
