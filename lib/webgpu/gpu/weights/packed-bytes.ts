import { formatOf, BLOCK_VALUES } from './formats.ts';

/** Bytes of the largest of the buffers that such a matrix is. */
export function largestBufferBytes(type: string, values: number): number {
  const format = formatOf(type);
  return format.kind === 'floats' ? 4 * values : (values * format.bits) / 8;
}

/**
 * Bytes on the GPU of a matrix of `values` weights stored as `type`: floats as fp32; codes, a scale
 * and, where the format has a minimum, an offset for each block (`pack-matrix.ts`).
 * @throws FaultError `engine/unsupported` for a type that this engine does not read.
 */
export function packedBytes(type: string, values: number): number {
  const format = formatOf(type);
  if (format.kind === 'floats') return 4 * values;
  const floatsEach = format.symmetric ? 1 : 2;
  return (values * format.bits) / 8 + (values / BLOCK_VALUES) * 4 * floatsEach;
}
