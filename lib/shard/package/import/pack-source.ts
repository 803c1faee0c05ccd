import type { TensorType } from '#lib/webgpu/model.ts';
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
  if (from === type) return { name, type, rows, cols, read: () => tensor.read() };
  const onConverted: OnConverted = (values, stored) => {
    meter.add({ tensor: name, from, to: type }, values, stored);
  };
  const read = () => convertPieces(tensor.read(), { from, to: type, onConverted });
  return { name, type, rows, cols, read };
}
