import { cpuStageFactory } from '../cpu/core.ts';
import {
  BLOCK,
  type ModelShape,
  type Numerics,
  type TensorName,
  type TensorType,
} from '../model.ts';
import type { Stage, Want } from '../stage.ts';
import { syntheticWeights } from '../synthetic-weights.ts';
import { tensorSize } from '../tensor-size.ts';
import { MEASURE } from './limits.ts';

/** Row counts of a measurement: one decode, a batch of decodes, a chunk of prefill (P1). */
export const MEASURED_ROWS = [1, 8, 64] as const;

export interface Speed {
  /** Milliseconds of one layer at 1, 8 and 64 rows, alone on the machine. */
  readonly layerMs: readonly [number, number, number];
  /** Milliseconds of the head at 1, 8 and 64 rows. */
  readonly headMs: readonly [number, number, number];
}

export interface MeasuredWeights {
  readonly matrices: TensorType;
  readonly head: TensorType;
  readonly numerics: Numerics;
}

const USUAL: MeasuredWeights = { matrices: 'Q4_1', head: 'Q8_0', numerics: 'int16' };

/**
 * How fast this device computes a model of `shape`, before anything is downloaded: synthetic
 * weights, a few real layers and a piece of the head, about one second in all. A layer's time is
 * the best of several, so that somebody else's burst of work does not count.
 */
export async function measureSpeed(
  module: WebAssembly.Module,
  shape: ModelShape,
  weights: MeasuredWeights = USUAL,
): Promise<Speed> {
  const piece = pieceOf(shape);
  const stage = await cpuStageFactory(module)({
    shape: piece,
    range: { first: 0, last: piece.layers - 1 },
    numerics: weights.numerics,
    kvBytesMax: MEASURE.kvBytesMax,
    weights: syntheticWeights(piece, (name) => typeOf(piece, weights, name)),
  });
  try {
    return await timesOf(stage, shape.vocab / piece.vocab);
  } finally {
    stage.dispose();
  }
}

/** A model whose widths are no whole blocks is stored without blocks. */
function typeOf(shape: ModelShape, weights: MeasuredWeights, name: TensorName): TensorType {
  const type = name === 'embedding' || name === 'head' ? weights.head : weights.matrices;
  return tensorSize(shape, name).cols % BLOCK[type].values === 0 ? type : 'F16';
}

/** Enough layers that caches do not flatter, and as much of the head as stays cheap. */
function pieceOf(shape: ModelShape): ModelShape {
  const { hidden, heads, kvHeads, headDim, mlp } = shape;
  const layerWeights = hidden * (2 * heads * headDim + 2 * kvHeads * headDim + 3 * mlp);
  const layers = Math.ceil(MEASURE.weightsMin / layerWeights);
  const vocab = Math.floor(MEASURE.weightsMin / hidden / 4) * 4;
  return {
    ...shape,
    layers: Math.min(shape.layers, MEASURE.layersMax, layers),
    vocab: Math.min(shape.vocab, Math.max(vocab, MEASURE.vocabMin)),
    contextMax: MEASURE.contextMax,
    tiedEmbeddings: true,
  };
}

async function timesOf(stage: Stage, headPieces: number): Promise<Speed> {
  const layerMs: number[] = [];
  const headMs: number[] = [];
  for (const rows of MEASURED_ROWS) {
    const predicted = (layerMs.at(-1) ?? 0) * (rows / 8) * stage.shape.layers;
    const taken = predicted > MEASURE.stepMsMax ? 8 : rows; // a slow device: 64 rows are 8 × 8
    const [layers, whole] = await bestSteps(stage, taken);
    layerMs.push((layers * rows) / taken / stage.shape.layers);
    headMs.push((Math.max(whole - layers, 0) * headPieces * rows) / taken);
  }
  const [one = 0, eight = 0, many = 0] = layerMs;
  const [headOne = 0, headEight = 0, headMany = 0] = headMs;
  return { layerMs: [one, eight, many], headMs: [headOne, headEight, headMany] };
}

/**
 * Best steps without and with the head that fit into the time, in milliseconds; at least one each.
 * In turns: the head is their difference, and a machine that is slow for a while is slow for both.
 */
async function bestSteps(stage: Stage, rows: number): Promise<[layers: number, whole: number]> {
  const kv = stage.openKv();
  const ids = Int32Array.from({ length: rows }, (_, i) => i % stage.shape.vocab);
  const timeOf = async (want: Want): Promise<number> => {
    stage.truncateKv(kv, 0);
    const started = performance.now();
    await stage.step([{ kv, firstPosition: 0, rows, ids, hidden: null, want }]);
    return performance.now() - started;
  };
  const until = performance.now() + 2 * MEASURE.eachMs;
  let [layers, whole] = [Infinity, Infinity];
  do {
    layers = Math.min(layers, await timeOf({ kind: 'none' }));
    whole = Math.min(whole, await timeOf({ kind: 'logits' }));
  } while (performance.now() < until);
  stage.closeKv(kv);
  return [layers, whole];
}
