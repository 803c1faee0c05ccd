import { range, roundUp4 } from './range';
import { exp, maxLanes, sumLanes } from './vector';

/**
 * Turns the first `seen` of `limit` raw scores at `at` into attention weights that add to one;
 * the rest becomes 0. Lane sums run in order of position: equal bits for every tile and chunk.
 */
export function softmax(at: usize, seen: i32, limit: i32): void {
  const bytes = <usize>roundUp4(seen) * 4;
  for (let i = <usize>seen * 4; i < bytes; i += 4) store<f32>(at + i, -1e30);
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(<f32>range().headDim));
  let top = f32x4.mul(v128.load(at), scale);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(v128.load(at + i), scale);
    top = f32x4.pmax(top, x);
    v128.store(at + i, x);
  }
  top = maxLanes(top);
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const weight = exp(f32x4.sub(v128.load(at + i), top));
    sums = f32x4.add(sums, weight);
    v128.store(at + i, weight);
  }
  const inverse = f32x4.splat(<f32>1 / sumLanes(sums));
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(at + i, f32x4.mul(v128.load(at + i), inverse));
  }
  for (let i = <usize>seen * 4; i < <usize>limit * 4; i += 4) store<f32>(at + i, 0);
}
