import { FaultError } from '#lib/kernel/errors.ts';
import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';

/** Formats that are read and never stored: ggml's blocks of 256 with scales of their own. */
export const K_QUANTS = ['Q4_K', 'Q5_K', 'Q6_K'] as const;
type KQuant = (typeof K_QUANTS)[number];

/** Formats a source's tensors may have. */
export type SourceType = TensorType | KQuant;

/** Bytes and values of one block of a source's format (ggml-common.h). */
export const SOURCE_BLOCK: Readonly<Record<SourceType, { values: number; bytes: number }>> = {
  ...BLOCK,
  Q4_K: { values: 256, bytes: 144 },
  Q5_K: { values: 256, bytes: 176 },
  Q6_K: { values: 256, bytes: 210 },
};

/** Formats a vector (norm, bias) may have. */
export const isPlainType = (type: SourceType): boolean => SOURCE_BLOCK[type].values === 1;

/**
 * Bytes of a tensor in a source.
 * @throws FaultError `package/malformed` where a row is not whole blocks.
 */
export function sourceBytes(type: SourceType, rows: number, cols: number): number {
  const block = SOURCE_BLOCK[type];
  if (cols % block.values !== 0) {
    throw new FaultError('package/malformed', `${cols} columns are not whole blocks of ${type}`);
  }
  return rows * (cols / block.values) * block.bytes;
}

/** A block of some format, or a place for one. */
export interface BlockPlace {
  readonly bytes: Uint8Array;
  readonly at: number;
}
