import type { ModelShape } from '#lib/webgpu/model.ts';

/** A model small enough that a test runs it in milliseconds. */
export const tinyShape = (more: Partial<ModelShape> = {}): ModelShape => ({
  kind: 'llama',
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  mlp: 96,
  vocab: 128,
  contextMax: 64,
  rmsEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tiedEmbeddings: true,
  ...more,
});
