import type { Llama3RopeScaling, ModelShape } from '../model.ts';

/** Cosines and sines of all positions, fp32, [positions × headDim / 2]. */
export interface RopeTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * GroupQueryAttention's caches. Frequencies and angles are rounded to fp32 where transformers (and
 * the CPU engine's `ropeInit`) does; cosines are the browser's own, and may differ in the last bit.
 */
export function ropeTables(shape: ModelShape, positions: number): RopeTables {
  const frequencies = ropeFrequencies(shape);
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position += 1) {
    frequencies.forEach((frequency, i) => {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    });
  }
  return { cos, sin };
}

/** θ^(−2i/D) for each pair of values, stretched as in Llama 3.1 where the shape says so. */
export function ropeFrequencies(shape: ModelShape): Float32Array {
  const { headDim, ropeTheta, ropeScaling } = shape;
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = Math.fround(1 / Math.fround(ropeTheta ** ((2 * i) / headDim)));
    return ropeScaling ? stretched(frequency, ropeScaling) : frequency;
  });
}

/** transformers `_compute_llama3_parameters`: long waves slower by `factor`, a ramp between. */
function stretched(frequency: number, scaling: Llama3RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContext } = scaling;
  const wave = (2 * Math.PI) / frequency;
  if (wave > originalContext / lowFreqFactor) return frequency / factor;
  if (wave < originalContext / highFreqFactor) return frequency;
  const smooth = (originalContext / wave - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}
