import { ELEMENT_BYTES, type Precision } from '../graph-builder.ts';
import { formatOf, BLOCK_VALUES } from './formats.ts';

/** Bytes of the largest of the buffers that such a matrix is. */
export function largestBufferBytes(type: string, values: number, precision: Precision): number {
  const format = formatOf(type);
  return format.kind === 'floats' ? ELEMENT_BYTES[precision] * values : (values * format.bits) / 8;
}

/**
 * Bytes on the GPU of a matrix of `values` weights stored as `type`: floats in the graph's precision; codes, a scale
 * and, where the format has a minimum, an offset for each block (`pack-matrix.ts`).
 * @throws FaultError `engine/unsupported` for a type that this engine does not read.
 */
export function packedBytes(type: string, values: number, precision: Precision): number {
  const format = formatOf(type);
  const floatBytes = ELEMENT_BYTES[precision];
  if (format.kind === 'floats') return floatBytes * values;
  const floatsEach = format.symmetric ? 1 : 2;
  return (values * format.bits) / 8 + (values / BLOCK_VALUES) * floatBytes * floatsEach;
}
