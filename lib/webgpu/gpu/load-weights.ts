import { checkedTensors, type CheckedTensor } from '../checked-tensors.ts';
import { hasEmbedding, hasHead, type StoredTensor } from '../model.ts';
import type { StageOptions } from '../stage.ts';
import type { Matrix } from './graph-builder.ts';
import { GPU_LIMITS } from './limits.ts';
import { floatRows } from './weights/formats.ts';
import { packMatrix } from './weights/pack-matrix.ts';

/** The weights of a range as the graph's operators take them. */
export interface PackedWeights {
  /** By `layer/3/attn-q`; the head, tied or not, by `head`. */
  readonly matrices: ReadonlyMap<string, Matrix>;
  /** Norms and biases, fp32, by `layer/3/attn-norm`, `final-norm`. */
  readonly vectors: ReadonlyMap<string, Float32Array>;
  /** As stored: its rows are looked up here (the operator for it has no CPU kernel). */
  readonly embedding: StoredTensor | null;
}

interface Loading {
  readonly options: StageOptions;
  readonly matrices: Map<string, Matrix>;
  readonly vectors: Map<string, Float32Array>;
  embedding: StoredTensor | null;
}

/**
 * Takes the parts of a range in, one after the other; the next are read meanwhile, and one that is
 * packed is released.
 * @throws FaultError `package/malformed` where a tensor is missing or has a wrong shape;
 *   `engine/unsupported` for a type that this engine does not read; and what the source throws.
 */
export async function loadWeights(options: StageOptions): Promise<PackedWeights> {
  const loading: Loading = { options, matrices: new Map(), vectors: new Map(), embedding: null };
  for await (const each of checkedTensors(options, GPU_LIMITS.partsAheadMax)) take(loading, each);
  return loading;
}

function take(loading: Loading, { key, name, tensor }: CheckedTensor): void {
  const { shape, range } = loading.options;
  if (key === 'embedding') {
    if (hasEmbedding(range)) loading.embedding = { ...tensor, bytes: tensor.bytes.slice() };
    if (shape.tiedEmbeddings && hasHead(shape, range)) addMatrix(loading, 'head', tensor);
    return;
  }
  const path = key.startsWith('layer/') ? `${key}/${name}` : name;
  if (tensor.rows === 1) loading.vectors.set(path, floatRows(tensor, 0, 1));
  else addMatrix(loading, path, tensor);
}

function addMatrix({ matrices }: Loading, path: string, tensor: StoredTensor): void {
  const { rows, cols } = tensor;
  matrices.set(path, { rows, cols, packed: packMatrix(tensor) });
}
