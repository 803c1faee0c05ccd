import type { ModelShape, TensorName } from './model.ts';

/** Rows (outputs) and columns (inputs) of a tensor; a vector has one row. */
export function tensorSize(shape: ModelShape, name: TensorName): { rows: number; cols: number } {
  const { hidden, mlp, vocab } = shape;
  const queries = shape.heads * shape.headDim;
  const keys = shape.kvHeads * shape.headDim;
  switch (name) {
    case 'attn-norm':
    case 'mlp-norm':
    case 'final-norm':
      return { rows: 1, cols: hidden };
    case 'attn-q-norm':
    case 'attn-k-norm':
      return { rows: 1, cols: shape.headDim };
    case 'attn-q-bias':
      return { rows: 1, cols: queries };
    case 'attn-k-bias':
    case 'attn-v-bias':
      return { rows: 1, cols: keys };
    case 'attn-q':
      return { rows: queries, cols: hidden };
    case 'attn-k':
    case 'attn-v':
      return { rows: keys, cols: hidden };
    case 'attn-o':
      return { rows: hidden, cols: queries };
    case 'mlp-gate':
    case 'mlp-up':
      return { rows: mlp, cols: hidden };
    case 'mlp-down':
      return { rows: hidden, cols: mlp };
    case 'embedding':
    case 'head':
      return { rows: vocab, cols: hidden };
  }
}
