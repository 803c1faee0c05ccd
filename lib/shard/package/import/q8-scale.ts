import { putHalfBits } from './block-bytes.ts';
import { halfBits, halfValue } from './half.ts';
import type { BlockPlace } from './source-types.ts';

/** The nearest whole number, halves upward: the same on every machine, unlike C's by its mode. */
export const nearest = (value: number): number => Math.floor(value + 0.5);

/** Bits of the F16 scale with which a block of 32 just reaches its largest value, as ggml's. */
export function plainQ8Scale(values: Float32Array): number {
  return halfBits(largestOf(values) / 127);
}

function largestOf(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Multiples tried of each step, downward from the largest that fits. */
const MULTIPLES = 3;

/**
 * The scale that loses least of values that are multiples of known steps: the plain one, or a
 * whole part of a step (on Q6_K a quarter less error than the plain one alone, as measured).
 */
export function bestQ8Scale(values: Float32Array, steps: readonly number[]): number {
  const largest = largestOf(values);
  let best = plainQ8Scale(values);
  let least = squaredError(values, best);
  for (const step of steps) {
    const most = Math.floor((127 * Math.abs(step)) / largest);
    for (let parts = most; parts > Math.max(0, most - MULTIPLES); parts -= 1) {
      const bits = halfBits(Math.abs(step) / parts);
      const error = squaredError(values, bits);
      if (error < least) [best, least] = [bits, error];
    }
  }
  return best;
}

function squaredError(values: Float32Array, bits: number): number {
  const scale = halfValue(bits);
  let sum = 0;
  for (const value of values) sum += (value - scale * q8Quant(value, scale)) ** 2;
  return sum;
}

const q8Quant = (value: number, scale: number): number =>
  scale === 0 ? 0 : Math.min(Math.max(nearest(value / scale), -127), 127);

/** One block of Q8_0: the scale of these bits and 32 whole numbers. */
export function putQ8({ bytes, at }: BlockPlace, values: Float32Array, bits: number): void {
  const scale = halfValue(bits);
  putHalfBits(bytes, at, bits);
  for (let i = 0; i < 32; i += 1) bytes[at + 2 + i] = q8Quant(values[i] ?? 0, scale) & 255;
}
