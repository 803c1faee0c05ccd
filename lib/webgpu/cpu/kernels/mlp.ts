import { range } from './range';
import { exp } from './vector';

/**
 * input = silu(gate) · up, silu(x) = x / (1 + e^−x), for `rows` rows of `mlp`, of each the columns
 * `from` to `to`: all, or a multiple of four of them.
 */
export function gateRows(rows: i32, from: i32, to: i32): void {
  const r = range();
  const rowBytes = <usize>r.mlp * 4;
  if (from == 0 && to == r.mlp) return gateBytes(0, rows * rowBytes);
  for (let row: usize = 0; row < <usize>rows; row++) {
    gateBytes(row * rowBytes + from * 4, row * rowBytes + to * 4);
  }
}

function gateBytes(from: usize, to: usize): void {
  const r = range();
  const one = f32x4.splat(1);
  for (let i = from; i < to; i += 16) {
    const x = v128.load(r.gate + i);
    const silu = f32x4.div(x, f32x4.add(one, exp(f32x4.neg(x))));
    v128.store(r.input + i, f32x4.mul(silu, v128.load(r.up + i)));
  }
}
