import { FaultError } from '#lib/kernel/errors.ts';
import {
  BLOCK,
  partsOfRange,
  tensorsOfPart,
  type ModelShape,
  type PartKey,
  type TensorName,
  type TensorType,
} from '#lib/webgpu/model.ts';
import { tensorSize } from '#lib/webgpu/tensor-size.ts';
import { PACKAGE } from './limits.ts';

/** What a model of a shape must hold: readers fill it, the manifest check compares with it. */
export interface ExpectedTensor {
  readonly name: TensorName;
  readonly rows: number;
  readonly cols: number;
}
export interface ExpectedPart {
  readonly key: PartKey;
  readonly tensors: readonly ExpectedTensor[];
}

/** Every part of a whole model in package order: embedding, layers, final norm, head. */
export const expectedParts = (shape: ModelShape): ExpectedPart[] =>
  partsOfRange(shape, { first: 0, last: shape.layers - 1 }).map((key) => ({
    key,
    tensors: tensorsOfPart(shape, key).map((name) => ({ name, ...tensorSize(shape, name) })),
  }));

/** Offset at which the tensor after `end` starts. */
export const alignTensor = (end: number): number =>
  Math.ceil(end / PACKAGE.tensorAlignBytes) * PACKAGE.tensorAlignBytes;

/**
 * Bytes of a stored tensor.
 * @throws FaultError `package/malformed` where the columns are not whole blocks.
 */
export function tensorBytes(type: TensorType, rows: number, cols: number): number {
  const block = BLOCK[type];
  if (cols % block.values !== 0) {
    throw new FaultError('package/malformed', `${cols} columns are not whole blocks of ${type}`);
  }
  return rows * (cols / block.values) * block.bytes;
}

/** Norms stay exact: only plain floats are accepted for vectors. */
export const isVectorType = (type: TensorType): boolean => type === 'F32' || type === 'F16';

/**
 * Numbers that fit each other, whatever file they come from.
 * @throws FaultError `package/malformed` with the sentence that is not true.
 */
export function checkShape(shape: ModelShape): void {
  const rules: readonly (readonly [boolean, string])[] = [
    [shape.heads % shape.kvHeads === 0, 'query heads are a multiple of key heads'],
    [shape.headDim % 2 === 0, 'a head has an even number of values'],
    [shape.heads * shape.headDim <= PACKAGE.dimensionMax, 'all heads together fit a dimension'],
    [shape.rmsEps < 1, 'the norm epsilon is below one'],
  ];
  for (const [holds, rule] of rules) {
    if (!holds) throw new FaultError('package/malformed', `the model's shape breaks: ${rule}`);
  }
}
