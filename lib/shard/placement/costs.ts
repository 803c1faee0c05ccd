import { kvPositionBytes } from '#lib/webgpu/kv-size.ts';
import { hasEmbedding, hasHead, type LayerRange, type ModelShape } from '#lib/webgpu/model.ts';
import { partOf, type Manifest } from '#lib/shard/package/manifest.ts';
import { PLACEMENT } from './limits.ts';
import { layerCount } from './ranges.ts';

/** What a range costs a node, in milliseconds and bytes (P1). Embedding a row is a copy: free. */

/** Row counts at which nodes measure themselves (`NodeProfile.layerMs`, `headMs`). */
const MEASURED_ROWS = [1, 8, 64] as const;
type Samples = readonly [number, number, number];

export interface NodeSpeed {
  /** Milliseconds a layer of the model's shape at 1, 8 and 64 rows. */
  readonly layerMs: Samples;
  readonly headMs: Samples;
  /** Live times over predicted ones, ≥ 1: the machine does other things, too (P3). */
  readonly slowdown: number;
}

/** A model as placement sees it: its shape and how many stored bytes each range has. */
export interface PlacementModel {
  readonly shape: ModelShape;
  /** Stored bytes of all layers below index i; `layers + 1` numbers. */
  readonly layerBytesBelow: readonly number[];
  readonly embeddingBytes: number;
  /** Final norm and, where it is not the embedding, the head. */
  readonly tailBytes: number;
}

export function placementModel(manifest: Manifest): PlacementModel {
  const { shape } = manifest;
  const layerBytesBelow = [0];
  for (let layer = 0; layer < shape.layers; layer += 1) {
    layerBytesBelow.push((layerBytesBelow[layer] ?? 0) + partOf(manifest, `layer/${layer}`).bytes);
  }
  const head = shape.tiedEmbeddings ? 0 : partOf(manifest, 'head').bytes;
  return {
    shape,
    layerBytesBelow,
    embeddingBytes: partOf(manifest, 'embedding').bytes,
    tailBytes: partOf(manifest, 'final-norm').bytes + head,
  };
}

export const wholeModel = (shape: ModelShape): LayerRange => ({ first: 0, last: shape.layers - 1 });

/** Stored bytes that a node must have to hold `range`. */
export function storedBytes(model: PlacementModel, range: LayerRange): number {
  const { shape, layerBytesBelow } = model;
  const layers = (layerBytesBelow[range.last + 1] ?? 0) - (layerBytesBelow[range.first] ?? 0);
  const atHead = hasHead(shape, range);
  const embedding = hasEmbedding(range) || (atHead && shape.tiedEmbeddings);
  return layers + (embedding ? model.embeddingBytes : 0) + (atHead ? model.tailBytes : 0);
}

/**
 * Bytes a node needs to hold `range` and serve at least one long session, with KV in fp32: what
 * takes the place of a processor may be a GPU.
 */
export function memoryNeeded(model: PlacementModel, range: LayerRange): number {
  const positions = Math.min(model.shape.contextMax, PLACEMENT.kvPositionsMin);
  const weights = storedBytes(model, range) * PLACEMENT.weightFactor;
  const kv = kvPositionBytes(model.shape, range, { engine: 'cpu-wasm', numerics: 'exact' });
  return weights + positions * kv + PLACEMENT.engineBytes;
}

/** Between measured row counts in a straight line; past the last one in proportion. */
function msAt(samples: Samples, rows: number): number {
  const [one, eight, most] = samples;
  const [a, b, c] = MEASURED_ROWS;
  let ms = (most * rows) / c;
  if (rows <= b) ms = one + ((eight - one) * (rows - a)) / (b - a);
  else if (rows <= c) ms = eight + ((most - eight) * (rows - b)) / (c - b);
  return Math.max(ms, PLACEMENT.layerMsMin);
}

/** Milliseconds of one decode step of `rows` sessions through `range`. */
export function stepMs(shape: ModelShape, speed: NodeSpeed, span: Span): number {
  const head = hasHead(shape, span.range) ? msAt(speed.headMs, span.rows) : 0;
  return (layerCount(span.range) * msAt(speed.layerMs, span.rows) + head) * speed.slowdown;
}

/** Milliseconds of a prefill chunk: the head works for one row at most. */
export function prefillMs(shape: ModelShape, speed: NodeSpeed, span: Span): number {
  const head = hasHead(shape, span.range) ? msAt(speed.headMs, 1) : 0;
  return (layerCount(span.range) * msAt(speed.layerMs, span.rows) + head) * speed.slowdown;
}

export interface Span {
  readonly range: LayerRange;
  readonly rows: number;
}

/** Most rows of a chunk that keeps the slowest of `places` busy for ≤ 250 ms (V1). */
export function chunkRowsFor(shape: ModelShape, places: readonly PlaceCost[]): number {
  const { chunkRowsStep, chunkRowsMax, chunkMsMax } = PLACEMENT;
  for (let rows: number = chunkRowsMax; rows > chunkRowsStep; rows -= chunkRowsStep) {
    const slowest = Math.max(
      ...places.map((place) => prefillMs(shape, place.speed, { range: place.range, rows })),
    );
    if (slowest <= chunkMsMax) return rows;
  }
  return chunkRowsStep;
}

export interface PlaceCost {
  readonly speed: NodeSpeed;
  readonly range: LayerRange;
}

/** Predicted milliseconds to load `range`, of which `missing` stored bytes are not in the cache. */
export const loadMs = (model: PlacementModel, range: LayerRange, missing: number): number =>
  PLACEMENT.loadBaseMs +
  storedBytes(model, range) / PLACEMENT.cacheBytesPerMs +
  missing / PLACEMENT.networkBytesPerMs;

/**
 * A speed measured on another model's shape, by the weights of one layer and of the head: on one
 * device both are bound by reading them.
 */
export function scaleSpeed(speed: NodeSpeed, from: ModelShape, to: ModelShape): NodeSpeed {
  const layer = layerWeights(to) / layerWeights(from);
  const head = (to.vocab * to.hidden) / (from.vocab * from.hidden);
  const times = (samples: Samples, factor: number): Samples => [
    samples[0] * factor,
    samples[1] * factor,
    samples[2] * factor,
  ];
  return {
    layerMs: times(speed.layerMs, layer),
    headMs: times(speed.headMs, head),
    slowdown: speed.slowdown,
  };
}

const layerWeights = (shape: ModelShape): number =>
  shape.hidden * (2 * (shape.heads + shape.kvHeads) * shape.headDim + 3 * shape.mlp);
