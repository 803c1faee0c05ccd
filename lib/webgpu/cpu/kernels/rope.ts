import { Segment, range } from './range';

/*
 * Rotary embedding, half-split order: (x[i], x[i + D/2]) turns by position · θ^(−2i/D).
 * `NativeMath` is AssemblyScript's port of musl, compiled into the module: the host's Math, which
 * differs between browsers, is never called. Angles are rounded to fp32 where transformers does.
 */

/** Writes `frequencies`; `factor` 0 means no scaling, else Llama 3.1's. */
export function ropeInit(theta: f64, factor: f64, low: f64, high: f64, original: f64): void {
  const r = range();
  const half = r.headDim / 2;
  for (let i = 0; i < half; i++) {
    const power = NativeMath.pow(theta, <f64>(2 * i) / <f64>r.headDim);
    let frequency = <f32>(1 / <f64>(<f32>power));
    if (factor > 0) frequency = stretched(frequency, factor, low, high, original);
    store<f32>(r.frequencies + <usize>i * 4, frequency);
  }
}

/** transformers `_compute_llama3_parameters`: long waves slower by `factor`, a ramp between. */
function stretched(frequency: f32, factor: f64, low: f64, high: f64, original: f64): f32 {
  const wave = (2 * NativeMath.PI) / <f64>frequency;
  if (wave > original / low) return <f32>(<f64>frequency / factor);
  if (wave < original / high) return frequency;
  const smooth = (original / wave - low) / (high - low);
  return <f32>(((1 - smooth) * <f64>frequency) / factor + smooth * <f64>frequency);
}

/** Cosines and sines for all rows of the step. */
export function ropeRows(segments: usize, count: i32): void {
  const r = range();
  const half = r.headDim / 2;
  for (let s = 0; s < count; s++) {
    const segment = changetype<Segment>(segments + <usize>s * offsetof<Segment>());
    for (let i = 0; i < segment.rows; i++) {
      const at = <usize>((segment.firstRow + i) * half) * 4;
      for (let j: usize = 0; j < <usize>half; j++) {
        const frequency = load<f32>(r.frequencies + j * 4);
        const angle = <f64>(<f32>(segment.firstPosition + i) * frequency);
        store<f32>(r.cos + at + j * 4, <f32>NativeMath.cos(angle));
        store<f32>(r.sin + at + j * 4, <f32>NativeMath.sin(angle));
      }
    }
  }
}

/** Turns all heads of rows `from` to `to` at `x` [rows × heads × headDim] in place. */
export function rotate(x: usize, from: i32, to: i32, heads: i32): void {
  const r = range();
  const half = <usize>(r.headDim / 2) * 4;
  const fours = half & ~15;
  x += <usize>(from * heads) * 2 * half;
  for (let row = <usize>from; row < <usize>to; row++) {
    const cos = r.cos + row * half;
    const sin = r.sin + row * half;
    for (let head = 0; head < heads; head++, x += 2 * half) {
      for (let i: usize = 0; i < fours; i += 16) {
        const c = v128.load(cos + i);
        const s = v128.load(sin + i);
        const a = v128.load(x + i);
        const b = v128.load(x + half + i);
        v128.store(x + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(x + half + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (let i = fours; i < half; i += 4) {
        const c = load<f32>(cos + i);
        const s = load<f32>(sin + i);
        const a = load<f32>(x + i);
        const b = load<f32>(x + half + i);
        store<f32>(x + i, a * c - b * s);
        store<f32>(x + half + i, b * c + a * s);
      }
    }
  }
}
