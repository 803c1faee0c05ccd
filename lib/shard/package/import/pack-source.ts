import { FaultError } from '#lib/kernel/errors.ts';
import type { TensorType } from '#lib/webgpu/model.ts';
import { areFinite } from '../finite.ts';
import { convertPieces, type OnConverted } from './convert.ts';
import { LossMeter } from './losses.ts';
import { storedType, type Quant } from './quant.ts';
import type { FileSource, FileTensor, ModelSource, SourceTensor } from './source.ts';

/** A source with its tensors in the formats of a package. */
export function packSource(source: FileSource, quant: Quant): ModelSource {
  const meter = new LossMeter();
  return {
    ...source,
    parts: source.parts.map(({ key, tensors }) => ({
      key,
      tensors: tensors.map((tensor) => packTensor(tensor, storedType(tensor, quant), meter)),
    })),
    losses: () => meter.report(),
  };
}

function packTensor(tensor: FileTensor, type: TensorType, meter: LossMeter): SourceTensor {
  const { name, rows, cols, type: from } = tensor;
  if (from === type) return { name, type, rows, cols, read: () => finitePieces(tensor, type) };
  const onConverted: OnConverted = (values, stored) => {
    meter.add({ tensor: name, from, to: type }, values, stored);
  };
  const read = () => convertPieces(tensor.read(), { from, to: type, onConverted });
  return { name, type, rows, cols, read };
}

/**
 * The pieces as they are: an engine would compute with what is no number, and answer nonsense.
 * Conversions look for themselves, at what they store (`LossMeter`).
 */
async function* finitePieces(tensor: FileTensor, type: TensorType): AsyncGenerator<Uint8Array> {
  for await (const piece of tensor.read()) {
    if (!areFinite(type, piece)) {
      throw new FaultError(
        'package/malformed',
        `${tensor.name}: a weight that is no finite number`,
      );
    }
    yield piece;
  }
}
