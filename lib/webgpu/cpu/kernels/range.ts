/**
 * Where everything of one layer range lies in linear memory. The shell (`../layout.ts`) allocates
 * and writes these structs word by word: the order of the fields is the contract between the two.
 */

/** Stored formats, numbered as `TENSOR_TYPES` in `../../model.ts`. */
export const F32 = 0;
export const F16 = 1;
export const Q8_0 = 2;
export const Q4_0 = 3;
export const Q4_1 = 4;
export const BF16 = 5;
export const Q5_0 = 6;
export const Q5_1 = 7;

/** Columns of a block: weights have one scale a block, int16 activations too. */
export const BLOCK = 32;
/** Output rows that are stored interleaved: the lanes of one vector. */
export const GROUP = 4;
/** Input rows of a step that are multiplied together; a power of two. */
export const TILE = 4;

/** A matrix [rows × cols] packed by `pack.ts`, or a plain fp32 vector. */
@unmanaged
export class Tensor {
  type: i32;
  rows: i32;
  cols: i32;
  data: usize;
}

/** Consecutive rows of one session in a step. */
@unmanaged
export class Segment {
  firstRow: i32;
  rows: i32;
  firstPosition: i32;
  /** Addresses of the session's KV pages, in order of position. */
  pages: usize;
}

/** What is being computed: the same for all threads. */
@unmanaged
export class Step {
  segments: usize;
  segmentCount: i32;
  rows: i32;
  /** Rows whose logits are computed. */
  headRows: i32;
}

/**
 * Shape, tensors and work space of a layer range. Each thread has one: they differ in `scores` and
 * `unpacked` alone.
 */
@unmanaged
export class Range {
  layers: i32;
  hidden: i32;
  heads: i32;
  kvHeads: i32;
  headDim: i32;
  mlp: i32;
  /** 1: int16 activations for block formats; 0: fp32 activations. */
  int16: i32;
  rmsEps: f32;
  pagePositions: i32;
  /** Floats between the score rows of two queries. */
  scoreStride: i32;
  /** Bytes from one head's part of a KV page to the next one's. */
  headStride: usize;

  /** `layers` × `SLOTS` tensors. */
  tensors: usize;
  embedding: usize;
  finalNorm: usize;
  head: usize;
  /** The `Step` at work. */
  step: usize;

  /** [headDim / 2] rotations a position, fp32 radians. */
  frequencies: usize;
  /** [rows × headDim / 2] of the step's rows. */
  cos: usize;
  sin: usize;
  /** Residual stream [rows × hidden]. */
  stream: usize;
  /** Input of the next product [rows × cols]: fp32, then as `prepareInput` lays it out. */
  input: usize;
  input16: usize;
  scales: usize;
  sums: usize;
  /** Outputs of products: q, k, v or gate, up or what is added to the stream. */
  q: usize;
  k: usize;
  v: usize;
  gate: usize;
  up: usize;
  delta: usize;
  /** [4 × scoreStride] attention weights of the queries at work. */
  scores: usize;
  /** Unpacked weights of two groups: fp32 of one block, or int16 of all columns. */
  unpacked: usize;
  /** [head rows × vocab, padded to 4]. */
  logits: usize;
}

/** The tensors of a layer, in `LAYER_TENSORS`' order; zeros where a kind has none. */
export const ATTN_NORM = 0;
export const ATTN_Q = 1;
export const ATTN_K = 2;
export const ATTN_V = 3;
export const ATTN_O = 4;
export const MLP_NORM = 5;
export const MLP_GATE = 6;
export const MLP_UP = 7;
export const MLP_DOWN = 8;
export const Q_BIAS = 9;
export const K_BIAS = 10;
export const V_BIAS = 11;
export const Q_NORM = 12;
export const K_NORM = 13;
const SLOTS = 14;

let current: usize = 0;

/** The range that this instance computes. */
@inline
export function range(): Range {
  return changetype<Range>(current);
}

/** Tells where the `Range` struct lies. */
export function useRange(address: usize): void {
  current = address;
}

@inline
export function step(): Step {
  return changetype<Step>(range().step);
}

@inline
export function layerTensor(layer: i32, slot: i32): Tensor {
  return changetype<Tensor>(range().tensors + (layer * SLOTS + slot) * offsetof<Tensor>());
}

/** Whether weights of this format have a scale for each block of 32 columns. */
@inline
export function isBlockType(type: i32): bool {
  return type != F32 && type != F16 && type != BF16;
}

/** Bytes of one block of a group of four packed rows. */
@inline
export function packedBlockBytes(type: i32): usize {
  if (type == Q4_1 || type == Q5_0) return 96;
  if (type == Q4_0) return 80;
  return type == Q5_1 ? 112 : 144;
}

/** Bytes of a group of four packed rows; 16-bit columns lie in pairs. */
@inline
export function packedGroupBytes(type: i32, cols: i32): usize {
  if (type == F32) return <usize>cols * 16;
  if (!isBlockType(type)) return <usize>((cols + 1) & ~1) * 8;
  return <usize>(cols / BLOCK) * packedBlockBytes(type);
}

@inline
export function roundUp4(n: i32): i32 {
  return (n + 3) & ~3;
}

/** First address that the module's own data leaves free. */
export function heapBase(): usize {
  return __heap_base;
}
