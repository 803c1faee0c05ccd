import { must } from '#lib/kernel/assert.ts';
import { hasHead, type LayerRange, type LayerTensor, type ModelShape } from '../model.ts';
import { GraphBuilder, tensorInfo, type BuiltGraph, type Precision } from './graph-builder.ts';
import type { ValueInfo } from './onnx/model.ts';
import type { PackedWeights } from './load-weights.ts';
import { ropeTables } from './rope.ts';

/** Names of a decoder graph's inputs and outputs: what `graph-runner.ts` feeds and fetches. */
export const VALUE = {
  hiddenIn: 'hidden_in',
  hiddenOut: 'hidden_out',
  logits: 'logits',
  /** Rows of which logits are wanted, int32 [wanted] (graphs with the head). */
  headRows: 'head_rows',
  /** Positions − 1 of each sequence after this run, int32 [batch]. */
  lastPosition: 'last_position',
  /** Most positions of a sequence after this run, int32 scalar. */
  positions: 'positions',
} as const;

export const KV_SIDES = ['key', 'value'] as const;
export type KvSide = (typeof KV_SIDES)[number];
export const pastName = (layer: number, side: KvSide): string => `past.${layer}.${side}`;
export const presentName = (layer: number, side: KvSide): string => `present.${layer}.${side}`;

export interface DecoderOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly weights: PackedWeights;
  /**
   * What is computed in, and keys and values lie in. Rows come and go in fp32 all the same.
   */
  readonly precision: Precision;
  /** Positions that the tables of rotary embedding cover. */
  readonly positions: number;
}

/**
 * The graph of a layer range: hidden rows [batch, rows, hidden] in; hidden rows, or logits
 * [batch, wanted, vocab] where the range has the head, out. Keys and values [batch, kvHeads,
 * capacity, headDim] are read from `past` and written to `present`, which are the same buffers.
 */
export function decoderGraph(options: DecoderOptions): BuiltGraph {
  const { shape, range, precision } = options;
  const build = new GraphBuilder(precision);
  const half = precision === 'float16';
  const parts: LayerParts = { ...options, build, rope: addRopeTables(build, options) };
  const rows = half ? build.cast('hidden', VALUE.hiddenIn, precision) : VALUE.hiddenIn;
  let stream: Stream = { sum: rows, delta: null };
  for (let layer = range.first; layer <= range.last; layer += 1) {
    stream = addLayer(parts, layer, stream);
  }
  const head = hasHead(shape, range);
  const out = head ? VALUE.logits : VALUE.hiddenOut;
  const name = half ? `${out}.half` : out;
  const delta = must(stream.delta, 'a range has a layer');
  const inputs = [stream.sum, delta];
  const last = build.op('Add', { name: head ? 'last' : name, inputs });
  if (head) addHead(parts, name, last);
  if (half) build.cast(out, name, 'float32');
  return build.finish('decoder', inputsOf(options), outputsOf(options));
}

interface LayerParts extends DecoderOptions {
  readonly build: GraphBuilder;
  readonly rope: readonly [cos: string, sin: string];
}

/** The residual stream: the next norm adds `delta` to `sum` in one operator. */
interface Stream {
  readonly sum: string;
  readonly delta: string | null;
}

function addRopeTables(build: GraphBuilder, { shape, positions }: DecoderOptions) {
  const { cos, sin } = ropeTables(shape, positions);
  const dims = [positions, shape.headDim / 2];
  return [
    build.externalFloats({ name: 'rope.cos', dims }, cos),
    build.externalFloats({ name: 'rope.sin', dims }, sin),
  ] as const;
}

function addLayer(parts: LayerParts, layer: number, stream: Stream): Stream {
  const { build, weights } = parts;
  const at = (tensor: string): string => `layer/${layer}/${tensor}`;
  const matrix = (tensor: LayerTensor) => must(weights.matrices.get(at(tensor)), at(tensor));
  const attn = addNorm(parts, at('attn-norm'), stream);
  const attention = addAttention(parts, layer, attn.normed);
  const delta = build.product(at('attn-o'), attention, matrix('attn-o'));
  const mlp = addNorm(parts, at('mlp-norm'), { sum: attn.sum, delta });
  const gate = build.product(at('mlp-gate'), mlp.normed, matrix('mlp-gate'));
  const up = build.product(at('mlp-up'), mlp.normed, matrix('mlp-up'));
  // x · sigmoid(1 · x): SiLU.
  const attributes = { alpha: { float: 1 } };
  const silu = build.op('QuickGelu', { name: at('mlp-silu'), inputs: [gate], attributes });
  const product = build.op('Mul', { name: at('mlp-product'), inputs: [silu, up] });
  return { sum: mlp.sum, delta: build.product(at('mlp-down'), product, matrix('mlp-down')) };
}

/** RMS norm of the stream, and the stream itself. */
function addNorm(
  { build, weights, shape }: LayerParts,
  name: string,
  { sum, delta }: Stream,
): { sum: string; normed: string } {
  const weight = build.floats(`${name}.weight`, must(weights.vectors.get(name), name));
  const epsilon = { float: shape.rmsEps };
  if (delta === null) {
    const attributes = { axis: -1, epsilon, stash_type: 1 };
    const inputs = [sum, weight];
    const normed = build.op('SimplifiedLayerNormalization', { name, inputs, attributes });
    return { sum, normed };
  }
  const added = `${name}.sum`;
  const normed = build.op('SkipSimplifiedLayerNormalization', {
    name,
    inputs: [sum, delta, weight],
    outputs: [name, '', '', added],
    attributes: { epsilon },
  });
  return { sum: added, normed };
}

/** Queries, keys and values of the rows, and what they attend to: [batch, rows, heads × headDim]. */
function addAttention(parts: LayerParts, layer: number, normed: string): string {
  const { build, shape, rope } = parts;
  const q = addProjection(parts, { layer, of: 'q', normed });
  const k = addProjection(parts, { layer, of: 'k', normed });
  const v = addProjection(parts, { layer, of: 'v', normed });
  const past = KV_SIDES.map((side) => pastName(layer, side));
  const inputs = [q, k, v, ...past, VALUE.lastPosition, VALUE.positions, ...rope];
  const name = `layer/${layer}/attention`;
  return build.op('GroupQueryAttention', {
    name,
    inputs,
    outputs: [name, ...KV_SIDES.map((side) => presentName(layer, side))],
    attributes: { num_heads: shape.heads, kv_num_heads: shape.kvHeads, do_rotary: 1 },
  });
}

interface Projection {
  readonly layer: number;
  readonly of: 'q' | 'k' | 'v';
  readonly normed: string;
}

/** A product, with the bias (qwen2) or the norm of each head (qwen3) where the layer has one. */
function addProjection({ build, weights, shape }: LayerParts, projection: Projection): string {
  const { layer, of, normed } = projection;
  const at = `layer/${layer}/attn-${of}`;
  const product = build.product(at, normed, must(weights.matrices.get(at), at));
  const bias = weights.vectors.get(`${at}-bias`);
  if (bias) {
    const inputs = [product, build.floats(`${at}-bias.weight`, bias)];
    return build.op('Add', { name: `${at}-biased`, inputs });
  }
  const norm = weights.vectors.get(`${at}-norm`);
  if (!norm) return product;
  const split = build.ints(`${at}-norm.heads`, [0, 0, -1, shape.headDim]);
  const join = build.ints(`${at}-norm.row`, [0, 0, -1]);
  const heads = build.op('Reshape', { name: `${at}-norm.split`, inputs: [product, split] });
  const weight = build.floats(`${at}-norm.weight`, norm);
  const normedHeads = build.op('SimplifiedLayerNormalization', {
    name: `${at}-norm`,
    inputs: [heads, weight],
    attributes: { axis: -1, epsilon: { float: shape.rmsEps }, stash_type: 1 },
  });
  return build.op('Reshape', { name: `${at}-norm.join`, inputs: [normedHeads, join] });
}

/** Only the wanted rows go through the head: it costs as much as several layers. */
function addHead(parts: LayerParts, name: string, stream: string): void {
  const { build, weights } = parts;
  const rows = build.op('Gather', {
    name: 'head-rows',
    inputs: [stream, VALUE.headRows],
    attributes: { axis: 1 },
  });
  const { normed } = addNorm(parts, 'final-norm', { sum: rows, delta: null });
  build.product(name, normed, must(weights.matrices.get('head'), 'the head'));
}

const layersOf = ({ first, last }: LayerRange): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

function kvInfos(options: DecoderOptions, nameOf: typeof pastName): ValueInfo[] {
  const { shape, range, precision } = options;
  const dims = ['batch', shape.kvHeads, 'capacity', shape.headDim];
  return layersOf(range).flatMap((layer) =>
    KV_SIDES.map((side) => tensorInfo(nameOf(layer, side), precision, dims)),
  );
}

function inputsOf(options: DecoderOptions): ValueInfo[] {
  const { shape, range } = options;
  const head = hasHead(shape, range) ? [tensorInfo(VALUE.headRows, 'int32', ['wanted'])] : [];
  return [
    tensorInfo(VALUE.hiddenIn, 'float32', ['batch', 'rows', shape.hidden]),
    tensorInfo(VALUE.lastPosition, 'int32', ['batch']),
    tensorInfo(VALUE.positions, 'int32', []),
    ...head,
    ...kvInfos(options, pastName),
  ];
}

function outputsOf(options: DecoderOptions): ValueInfo[] {
  const { shape, range } = options;
  const out = hasHead(shape, range)
    ? tensorInfo(VALUE.logits, 'float32', ['batch', 'wanted', shape.vocab])
    : tensorInfo(VALUE.hiddenOut, 'float32', ['batch', 'rows', shape.hidden]);
  return [out, ...kvInfos(options, presentName)];
}
