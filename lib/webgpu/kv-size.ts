import type { Engine, LayerRange, ModelShape, Numerics } from './model.ts';

/** What decides how keys and values are stored. */
export interface KvForm {
  readonly engine: Engine;
  readonly numerics: Numerics;
}

/**
 * Bytes of keys and values that one position takes in the layers of `range`: fp32; with `int16`
 * numerics on a processor 16 bits and an fp32 scale for each head; fp16 on a GPU that computes in it.
 */
export function kvPositionBytes(shape: ModelShape, range: LayerRange, form: KvForm): number {
  const layers = range.last - range.first + 1;
  return layers * 2 * shape.kvHeads * headBytes(shape, form);
}

function headBytes({ headDim }: ModelShape, { engine, numerics }: KvForm): number {
  if (engine === 'gpu-webgpu-f16') return 2 * headDim;
  return engine === 'cpu-wasm' && numerics === 'int16' ? 2 * headDim + 4 : 4 * headDim;
}
