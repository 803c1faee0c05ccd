import type { ModelShape, ShapeKind, TensorName, TensorType } from './model.ts';

export interface SelfCheckModel {
  readonly shape: ModelShape;
  /** Stored types of the matrices, F32 where none is said. */
  readonly types: Partial<Readonly<Record<TensorName, TensorType>>>;
}

const LLAMA: ModelShape = {
  kind: 'llama',
  layers: 2,
  hidden: 64,
  heads: 6,
  kvHeads: 2,
  headDim: 16,
  mlp: 96,
  vocab: 101,
  contextMax: 128,
  rmsEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: {
    kind: 'llama3',
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalContext: 32,
  },
  tiedEmbeddings: false,
};

/**
 * A model of each kind in two layers, small enough to check a device in milliseconds: together they
 * have every stored type, and widths that are no multiples of four.
 */
export const SELF_CHECK_MODELS: Readonly<Record<ShapeKind, SelfCheckModel>> = {
  llama: {
    shape: LLAMA,
    types: {
      'attn-q': 'Q4_1',
      'attn-k': 'Q4_0',
      'attn-v': 'Q8_0',
      'attn-o': 'Q4_1',
      'mlp-gate': 'F16',
      'mlp-up': 'Q4_1',
      'mlp-down': 'Q8_0',
      embedding: 'F32',
      head: 'Q8_0',
    },
  },
  qwen2: {
    shape: {
      ...LLAMA,
      kind: 'qwen2',
      heads: 3,
      kvHeads: 1,
      headDim: 10,
      mlp: 99,
      ropeScaling: null,
    },
    types: {
      'attn-q': 'Q5_0',
      'attn-k': 'Q5_1',
      'attn-v': 'Q5_0',
      'attn-o': 'BF16',
      'mlp-gate': 'Q5_1',
      'mlp-up': 'BF16',
      'mlp-down': 'F16',
      embedding: 'Q5_1',
      head: 'Q5_0',
    },
  },
  qwen3: {
    shape: { ...LLAMA, kind: 'qwen3', heads: 4, kvHeads: 2, headDim: 32, ropeScaling: null },
    types: {
      'attn-q': 'Q5_1',
      'attn-k': 'Q5_0',
      'attn-v': 'Q4_1',
      'attn-o': 'Q5_1',
      'mlp-gate': 'Q5_0',
      'mlp-up': 'Q8_0',
      'mlp-down': 'Q5_0',
      embedding: 'BF16',
      head: 'BF16',
    },
  },
};
