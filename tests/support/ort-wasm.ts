import * as ort from 'onnxruntime-web/wasm';
import {
  decoderGraph,
  KV_SIDES,
  pastName,
  presentName,
  VALUE,
} from '#lib/webgpu/gpu/decoder-graph.ts';
import { loadWeights, type PackedWeights } from '#lib/webgpu/gpu/load-weights.ts';
import { encodeModel } from '#lib/webgpu/gpu/onnx/model.ts';
import { floatRows } from '#lib/webgpu/gpu/weights/formats.ts';
import { must } from '#lib/kernel/assert.ts';
import { GraphBuilder, tensorInfo, type Precision } from '#lib/webgpu/gpu/graph-builder.ts';
import { packMatrix } from '#lib/webgpu/gpu/weights/pack-matrix.ts';
import type { ModelShape, StoredTensor } from '#lib/webgpu/model.ts';
import type { Model } from './stages.ts';

/** Positions of the cache: more than any prompt of a test. */
const CAPACITY = 256;

/** A whole model's graph on ONNX Runtime's WASM build: other operators than a GPU's, in Node. */
export class WasmDecoder {
  readonly #shape: ModelShape;
  readonly #weights: PackedWeights;
  readonly #session: ort.InferenceSession;
  readonly #precision: Precision;
  #cache: Record<string, ort.Tensor>;

  private constructor(made: {
    readonly shape: ModelShape;
    readonly weights: PackedWeights;
    readonly session: ort.InferenceSession;
    readonly precision: Precision;
  }) {
    this.#shape = made.shape;
    this.#weights = made.weights;
    this.#session = made.session;
    this.#precision = made.precision;
    this.#cache = this.#emptyCache();
  }

  static async load(
    { shape, weights }: Model,
    precision: Precision = 'float32',
  ): Promise<WasmDecoder> {
    ort.env.wasm.numThreads = 1;
    const range = { first: 0, last: shape.layers - 1 };
    const options = { shape, range, weights, numerics: 'exact', kvBytesMax: 1 } as const;
    const packed = await loadWeights(options);
    const built = decoderGraph({
      ...{ shape, range, weights: packed, positions: CAPACITY },
      precision,
    });
    const externalData = built.files.map(({ path, data }) => ({ path, data }));
    const session = await ort.InferenceSession.create(encodeModel(built.graph), { externalData });
    return new WasmDecoder({ shape, weights: packed, session, precision });
  }

  /** Logits of all rows, [rows × vocab], after `past` positions that earlier calls computed. */
  async logits(ids: readonly number[], past = 0): Promise<Float32Array> {
    if (past === 0) this.#cache = this.#emptyCache();
    const { hidden } = this.#shape;
    const rows = ids.length;
    const embedding = must(this.#weights.embedding, 'a whole model has its embedding');
    const embedded = new Float32Array(rows * hidden);
    ids.forEach((id, i) => embedded.set(floatRows(embedding, id, 1), i * hidden));
    const every = Int32Array.from(ids, (_, i) => i);
    const results = await this.#session.run({
      ...this.#cache,
      [VALUE.hiddenIn]: new ort.Tensor('float32', embedded, [1, rows, hidden]),
      [VALUE.lastPosition]: new ort.Tensor('int32', Int32Array.of(past + rows - 1), [1]),
      [VALUE.positions]: new ort.Tensor('int32', Int32Array.of(past + rows), []),
      [VALUE.headRows]: new ort.Tensor('int32', every, [rows]),
    });
    this.#cache = this.#cacheOf((layer, side) =>
      must(results[presentName(layer, side)], 'present'),
    );
    return must(results[VALUE.logits], 'logits').data as Float32Array;
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  #emptyCache(): Record<string, ort.Tensor> {
    const { kvHeads, headDim } = this.#shape;
    const dims = [1, kvHeads, CAPACITY, headDim];
    const values = kvHeads * CAPACITY * headDim;
    return this.#cacheOf(() =>
      this.#precision === 'float16'
        ? new ort.Tensor('float16', new Uint16Array(values), dims)
        : new ort.Tensor('float32', new Float32Array(values), dims),
    );
  }

  #cacheOf(
    tensorOf: (layer: number, side: (typeof KV_SIDES)[number]) => ort.Tensor,
  ): Record<string, ort.Tensor> {
    const layers = Array.from({ length: this.#shape.layers }, (_, layer) => layer);
    return Object.fromEntries(
      layers.flatMap((layer) =>
        KV_SIDES.map((side) => [pastName(layer, side), tensorOf(layer, side)] as const),
      ),
    );
  }
}

/** x [rows of x × cols] times the matrix, by the operators that a decoder's graph has for its type. */
export async function wasmProduct(tensor: StoredTensor, x: Float32Array): Promise<Float32Array> {
  const { rows, cols } = tensor;
  const build = new GraphBuilder();
  build.product('y', 'x', { rows, cols, packed: packMatrix(tensor) });
  const count = x.length / cols;
  const built = build.finish(
    'product',
    [tensorInfo('x', 'float32', [1, 'rows', cols])],
    [tensorInfo('y', 'float32', [1, 'rows', rows])],
  );
  const externalData = built.files.map(({ path, data }) => ({ path, data }));
  const session = await ort.InferenceSession.create(encodeModel(built.graph), { externalData });
  const results = await session.run({ x: new ort.Tensor('float32', x, [1, count, cols]) });
  await session.release();
  return must(results['y'], 'the product').data as Float32Array;
}
