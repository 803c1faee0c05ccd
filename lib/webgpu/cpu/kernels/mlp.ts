import { range } from './range';
import { exp } from './vector';

/** input = silu(gate) · up, silu(x) = x / (1 + e^−x), for `rows` rows of `mlp`. */
export function gateRows(rows: i32): void {
  const r = range();
  const bytes = <usize>(rows * r.mlp) * 4;
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(r.gate + i);
    const silu = f32x4.div(x, f32x4.add(one, exp(f32x4.neg(x))));
    v128.store(r.input + i, f32x4.mul(silu, v128.load(r.up + i)));
  }
}
