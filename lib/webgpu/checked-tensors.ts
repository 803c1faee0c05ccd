import { FaultError } from '#lib/kernel/errors.ts';
import {
  BLOCK,
  partsOfRange,
  tensorsOfPart,
  type PartKey,
  type StoredTensor,
  type TensorName,
} from './model.ts';
import { readAhead } from './read-ahead.ts';
import type { StageOptions } from './stage.ts';
import { tensorSize } from './tensor-size.ts';

export interface CheckedTensor {
  readonly key: PartKey;
  readonly name: TensorName;
  readonly tensor: StoredTensor;
}

/**
 * The tensors of a range in load order, each as the shape asks for it. `partsAheadMax` parts are
 * read meanwhile; one whose tensors were all taken is released, and told as progress (W6).
 * @throws FaultError `package/malformed` where a tensor is missing or has a wrong shape; and what
 *   the source throws.
 */
export async function* checkedTensors(
  { shape, range, weights, onProgress }: StageOptions,
  partsAheadMax: number,
): AsyncGenerator<CheckedTensor, void, void> {
  const read = async (key: PartKey) => ({ key, part: await weights.part(key) });
  let storedBytes = 0;
  for await (const { key, part } of readAhead(partsOfRange(shape, range), partsAheadMax, read)) {
    for (const name of tensorsOfPart(shape, key)) {
      const tensor = part.get(name);
      if (!tensor) throw new FaultError('package/malformed', `part ${key} has no tensor ${name}`);
      checkTensor(`${key}: ${name}`, tensor, tensorSize(shape, name));
      yield { key, name, tensor };
      storedBytes += tensor.bytes.length;
    }
    weights.release?.(key);
    onProgress?.(storedBytes);
  }
}

function checkTensor(
  what: string,
  { type, rows, cols, bytes }: StoredTensor,
  expected: { readonly rows: number; readonly cols: number },
): void {
  const block = BLOCK[type];
  const fits =
    rows === expected.rows &&
    cols === expected.cols &&
    cols % block.values === 0 &&
    bytes.length === (rows * cols * block.bytes) / block.values;
  if (fits) return;
  throw new FaultError(
    'package/malformed',
    `${what}: ${rows} × ${cols} ${type} in ${bytes.length} bytes, ` +
      `where the shape asks for ${expected.rows} × ${expected.cols}`,
  );
}
