/**
 * What an engine must know of a model: numbers and tensor names, nothing of files or networks.
 * `lib/shard/package` puts these into manifests; engines read nothing else.
 */

/** Stored weight formats. Block types hold 32 values a block along a row (ggml-quants.h). */
export const TENSOR_TYPES = ['F32', 'F16', 'Q8_0', 'Q4_0', 'Q4_1', 'BF16', 'Q5_0', 'Q5_1'] as const;
export type TensorType = (typeof TENSOR_TYPES)[number];

/** Bytes and values of one block of a stored format (F32, F16 and BF16: blocks of one). */
export const BLOCK: Readonly<Record<TensorType, { values: number; bytes: number }>> = {
  F32: { values: 1, bytes: 4 },
  F16: { values: 1, bytes: 2 },
  Q8_0: { values: 32, bytes: 34 },
  Q4_0: { values: 32, bytes: 18 },
  Q4_1: { values: 32, bytes: 20 },
  BF16: { values: 1, bytes: 2 },
  Q5_0: { values: 32, bytes: 22 },
  Q5_1: { values: 32, bytes: 24 },
};

/** `llama3`: frequencies stretched as in Llama 3.1 (transformers `_compute_llama3_parameters`). */
export interface Llama3RopeScaling {
  readonly kind: 'llama3';
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalContext: number;
}

/**
 * What a layer computes. `llama` (Llama, Mistral without a window, SmolLM2); `qwen2`: biases on Q, K
 * and V; `qwen3`: an RMS norm over each query and key head before RoPE.
 */
export const SHAPE_KINDS = ['llama', 'qwen2', 'qwen3'] as const;
export type ShapeKind = (typeof SHAPE_KINDS)[number];

export interface ModelShape {
  readonly kind: ShapeKind;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlp: number;
  readonly vocab: number;
  /** Most positions of a session, prompt and answer together. */
  readonly contextMax: number;
  readonly rmsEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: Llama3RopeScaling | null;
  /** The head is the embedding matrix: a range with the head needs the part `embedding`. */
  readonly tiedEmbeddings: boolean;
}

/**
 * One part of a model: what a chunk never crosses. `layer/0` … `layer/29`, `embedding`,
 * `final-norm`, `head` (untied models only). Matrices are [rows = outputs, cols = inputs],
 * row-major, Q and K in half-split RoPE order (Hugging Face's, not GGUF llama's).
 */
export type PartKey = 'embedding' | 'final-norm' | 'head' | `layer/${number}`;

/** Tensors of a layer of any kind, in the order of a package. */
export const LAYER_TENSORS = [
  'attn-norm',
  'attn-q',
  'attn-k',
  'attn-v',
  'attn-o',
  'mlp-norm',
  'mlp-gate',
  'mlp-up',
  'mlp-down',
  'attn-q-bias',
  'attn-k-bias',
  'attn-v-bias',
  'attn-q-norm',
  'attn-k-norm',
] as const;
export type LayerTensor = (typeof LAYER_TENSORS)[number];

/** The tensors that only some kinds have. */
const KIND_TENSORS: Readonly<Record<ShapeKind, readonly LayerTensor[]>> = {
  llama: [],
  qwen2: ['attn-q-bias', 'attn-k-bias', 'attn-v-bias'],
  qwen3: ['attn-q-norm', 'attn-k-norm'],
};
const COMMON_TENSORS = LAYER_TENSORS.slice(0, LAYER_TENSORS.indexOf('attn-q-bias'));
/** The parts `embedding`, `final-norm` and `head` hold one tensor of the part's own name. */
export type TensorName = LayerTensor | 'embedding' | 'final-norm' | 'head';

/** The tensors that a part of a model of this kind holds, in the order of a package. */
export function tensorsOfPart({ kind }: ModelShape, key: PartKey): readonly TensorName[] {
  if (key.startsWith('layer/')) return [...COMMON_TENSORS, ...KIND_TENSORS[kind]];
  return [key as TensorName];
}

/** A tensor as stored: `rows` × `cols` values; a vector has one row. */
export interface StoredTensor {
  readonly type: TensorType;
  readonly rows: number;
  readonly cols: number;
  readonly bytes: Uint8Array;
}

/** Where an engine gets its weights from: verified bytes, one part at a time. */
export interface WeightSource {
  /** All tensors of a part. Throws `FaultError` `package/…` where bytes are missing or wrong. */
  part(key: PartKey): Promise<ReadonlyMap<TensorName, StoredTensor>>;
  /** The engine has taken the part in: its tensors are looked at no more, their memory may go. */
  release?(key: PartKey): void;
}

/** A shard: layers `first` … `last`, both inclusive, with or without embedding and head. */
export interface LayerRange {
  readonly first: number;
  readonly last: number;
}

export const hasEmbedding = (range: LayerRange): boolean => range.first === 0;
export const hasHead = (shape: ModelShape, range: LayerRange): boolean =>
  range.last === shape.layers - 1;

/** The parts a range needs, in load order, none twice. */
export function partsOfRange(shape: ModelShape, range: LayerRange): PartKey[] {
  const parts: PartKey[] = [];
  if (hasEmbedding(range)) parts.push('embedding');
  for (let layer = range.first; layer <= range.last; layer += 1) parts.push(`layer/${layer}`);
  if (!hasHead(shape, range)) return parts;
  parts.push('final-norm');
  if (!shape.tiedEmbeddings) parts.push('head');
  else if (!hasEmbedding(range)) parts.push('embedding');
  return parts;
}

/**
 * What computes a stage: our WASM kernels, or ONNX Runtime on WebGPU, in 32 bits or in 16 (`f16`:
 * another class of numerics, which a known answer is judged by).
 */
export const GPU_ENGINES = ['gpu-webgpu', 'gpu-webgpu-f16'] as const;
export type GpuEngineName = (typeof GPU_ENGINES)[number];
export const ENGINES = ['cpu-wasm', ...GPU_ENGINES] as const;
export type Engine = (typeof ENGINES)[number];

/**
 * `exact`: fp32 activations. `int16`: activations int16 per block of 32, for 4-, 5- and 8-bit weights;
 * keys, values and queries int16 per head and position. A GPU computes both in fp32.
 */
export const NUMERICS = ['exact', 'int16'] as const;
export type Numerics = (typeof NUMERICS)[number];
