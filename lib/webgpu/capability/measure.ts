import type { ModelShape, Numerics, TensorName, TensorType } from '../model.ts';
import type { Stage, StageFactory, Want } from '../stage.ts';
import { syntheticWeights } from '../synthetic-weights.ts';
import { MEASURE } from './limits.ts';

/** Row counts of a measurement: one decode, a batch of decodes, a chunk of prefill (P1). */
export const MEASURED_ROWS = [1, 8, 64] as const;

export interface Speed {
  /** Milliseconds of one layer at 1, 8 and 64 rows, alone on the machine. */
  readonly layerMs: readonly [number, number, number];
  /** Milliseconds of the head at 1, 8 and 64 rows. */
  readonly headMs: readonly [number, number, number];
}

/** A piece of a model to measure or to check a device with. */
export interface PieceOptions {
  readonly shape: ModelShape;
  readonly typeOf: (name: TensorName) => TensorType;
  readonly numerics: Numerics;
  readonly layersMax?: number;
}
/** What the processor is measured with: in the numerics that it is used with. */
export type CpuPiece = Omit<PieceOptions, 'numerics'>;

/**
 * How fast the processor computes a model, before anything is downloaded: synthetic weights, a few
 * real layers and a piece of the head, about one second in all. A layer's time is the best of
 * several, so that somebody else's burst of work does not count.
 */
export async function measureSpeed(factory: StageFactory, piece: CpuPiece): Promise<Speed> {
  const stage = await loadPiece(factory, { ...piece, numerics: 'int16' });
  try {
    return await timesOf(stage, piece.shape, bestSteps);
  } finally {
    stage.dispose();
  }
}

/**
 * The same of an engine that compiles at its first step; null where a row takes longer than
 * `hopelessMs` a layer, which is seen by one layer.
 */
export async function measureCompiled(
  factory: StageFactory,
  { hopelessMs, ...piece }: PieceOptions & { readonly hopelessMs: number },
): Promise<Speed | null> {
  const glance = await loadPiece(factory, { ...piece, layersMax: 1 });
  try {
    const [layerMs] = await warmSteps(glance, 1);
    if (layerMs > hopelessMs) return null;
  } finally {
    glance.dispose();
  }
  const stage = await loadPiece(factory, piece);
  try {
    return await timesOf(stage, piece.shape, warmSteps);
  } finally {
    stage.dispose();
  }
}

/** A stage of the piece, of synthetic weights in the model's own types. */
export function loadPiece(factory: StageFactory, options: PieceOptions): Promise<Stage> {
  const { numerics, typeOf } = options;
  const piece = pieceOf(options);
  return factory({
    shape: piece,
    range: { first: 0, last: piece.layers - 1 },
    numerics,
    kvBytesMax: MEASURE.kvBytesMax,
    weights: syntheticWeights(piece, typeOf),
  });
}

/** Enough layers that caches do not flatter, and as much of the head as stays cheap. */
function pieceOf({ shape, layersMax = MEASURE.layersMax }: PieceOptions): ModelShape {
  const { hidden, heads, kvHeads, headDim, mlp } = shape;
  const layerWeights = hidden * (2 * heads * headDim + 2 * kvHeads * headDim + 3 * mlp);
  const layers = Math.ceil(MEASURE.weightsMin / layerWeights);
  const vocab = Math.floor(MEASURE.weightsMin / hidden / 4) * 4;
  return {
    ...shape,
    layers: Math.min(shape.layers, layersMax, layers),
    vocab: Math.min(shape.vocab, Math.max(vocab, MEASURE.vocabMin)),
    contextMax: MEASURE.contextMax,
    tiedEmbeddings: true,
  };
}

type TimeSteps = (stage: Stage, rows: number) => Promise<[layers: number, whole: number]>;

async function timesOf(stage: Stage, whole: ModelShape, timeSteps: TimeSteps): Promise<Speed> {
  const headPieces = whole.vocab / stage.shape.vocab;
  const layerMs: number[] = [];
  const headMs: number[] = [];
  for (const rows of MEASURED_ROWS) {
    const predicted = (layerMs.at(-1) ?? 0) * (rows / 8) * stage.shape.layers;
    const taken = predicted > MEASURE.stepMsMax ? 8 : rows; // a slow device: 64 rows are 8 × 8
    const [layers, all] = await timeSteps(stage, taken);
    layerMs.push((layers * rows) / taken / stage.shape.layers);
    headMs.push((Math.max(all - layers, 0) * headPieces * rows) / taken);
  }
  const [one = 0, eight = 0, many = 0] = layerMs;
  const [headOne = 0, headEight = 0, headMany = 0] = headMs;
  return { layerMs: [one, eight, many], headMs: [headOne, headEight, headMany] };
}

/** The same, once every shader that these rows need is compiled. */
async function warmSteps(stage: Stage, rows: number): Promise<[layers: number, whole: number]> {
  await timesOnce(stage, rows);
  return bestSteps(stage, rows);
}

async function timesOnce(stage: Stage, rows: number): Promise<[layers: number, whole: number]> {
  const kv = stage.openKv();
  const ids = Int32Array.from({ length: rows }, (_, i) => i % stage.shape.vocab);
  const timeOf = async (want: Want): Promise<number> => {
    stage.truncateKv(kv, 0);
    const started = performance.now();
    await stage.step([{ kv, firstPosition: 0, rows, ids, hidden: null, want }]);
    return performance.now() - started;
  };
  const times: [number, number] = [
    await timeOf({ kind: 'none' }),
    await timeOf({ kind: 'logits' }),
  ];
  stage.closeKv(kv);
  return times;
}

/**
 * Best steps without and with the head that fit into the time, in milliseconds; at least one each.
 * In turns: the head is their difference, and a machine that is slow for a while is slow for both.
 */
async function bestSteps(stage: Stage, rows: number): Promise<[layers: number, whole: number]> {
  const until = performance.now() + 2 * MEASURE.eachMs;
  let [layers, whole] = [Infinity, Infinity];
  do {
    const times = await timesOnce(stage, rows);
    layers = Math.min(layers, times[0]);
    whole = Math.min(whole, times[1]);
  } while (performance.now() < until);
  return [layers, whole];
}
