import { must } from '#lib/kernel/assert.ts';
import { toHalfBits } from '#lib/kernel/half.ts';
import {
  ELEMENT,
  type Attribute,
  type ElementType,
  type Graph,
  type Initializer,
  type Node,
  type ValueInfo,
} from './onnx/model.ts';
import { BLOCK_VALUES } from './weights/formats.ts';
import type { PackedMatrix } from './weights/pack-matrix.ts';

/** What a graph computes in: 16 bits where the GPU has them (`shader-f16`). */
export type Precision = 'float32' | 'float16';
export const ELEMENT_BYTES: Readonly<Record<Precision, number>> = { float32: 4, float16: 2 };

/** Bytes of one constant that does not lie in the model itself: `externalData` of a session. */
export interface WeightFile {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface BuiltGraph {
  readonly graph: Graph;
  readonly files: readonly WeightFile[];
}

interface Op {
  /** Unique in the graph. */
  readonly name: string;
  readonly inputs: readonly string[];
  /** Names of the outputs, where not one of the node's own name. */
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly packed: PackedMatrix;
}

/** Operators of ONNX Runtime's own; all others here are ONNX's. */
const MICROSOFT = new Set([
  'GroupQueryAttention',
  'MatMulNBits',
  'QuickGelu',
  'SkipSimplifiedLayerNormalization',
]);

type Constant = Pick<Initializer, 'name' | 'type' | 'dims'>;

/** Collects nodes and constants; a value is its name. */
export class GraphBuilder {
  readonly precision: Precision;
  readonly #nodes: Node[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #files: WeightFile[] = [];

  constructor(precision: Precision = 'float32') {
    this.precision = precision;
  }

  /** Adds a node and returns its first output. */
  op(op: string, { name, inputs, outputs = [name], attributes = {} }: Op): string {
    const domain = MICROSOFT.has(op) ? 'com.microsoft' : '';
    this.#nodes.push({ op, domain, name, inputs, outputs, attributes });
    return must(outputs[0], 'a node has an output');
  }

  /** A constant within the model: what operators must know when shapes are inferred. */
  inline(constant: Constant, data: ArrayBufferView): string {
    this.#initializers.push({ ...constant, data: { kind: 'inline', bytes: bytesOf(data) } });
    return constant.name;
  }

  floats(name: string, values: Float32Array): string {
    const type = this.precision;
    return this.inline({ name, type, dims: [values.length] }, this.#real(values));
  }

  ints(name: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.inline({ name, type: 'int64', dims: [values.length] }, data);
  }

  /** A constant in a file of its own: it goes to the GPU without a copy in the WASM heap. */
  external(constant: Constant, data: ArrayBufferView): string {
    const bytes = bytesOf(data);
    const path = constant.name;
    this.#initializers.push({
      ...constant,
      data: { kind: 'external', path, offset: 0, bytes: bytes.length },
    });
    this.#files.push({ path, data: bytes });
    return constant.name;
  }

  /** The same for real numbers, in the graph's precision. */
  externalFloats(constant: Omit<Constant, 'type'>, values: Float32Array): string {
    return this.external({ ...constant, type: this.precision }, this.#real(values));
  }

  /** The same values in another type. */
  cast(name: string, from: string, to: Precision): string {
    return this.op('Cast', { name, inputs: [from], attributes: { to: ELEMENT[to] } });
  }

  #real(values: Float32Array): Float32Array | Uint16Array {
    return this.precision === 'float32' ? values : Uint16Array.from(values, toHalfBits);
  }

  /** x [batch, rows, K] times the matrix: [batch, rows, N]. */
  product(name: string, x: string, matrix: Matrix): string {
    const { rows, cols, packed } = matrix;
    if (packed.kind === 'floats') {
      const right = { name: `${name}.weight`, dims: [cols, rows] };
      return this.op('MatMul', { name, inputs: [x, this.externalFloats(right, packed.values)] });
    }
    const { bits, codes, scales, offsets } = packed;
    const blocks = cols / BLOCK_VALUES;
    const blob = codes.length / (rows * blocks);
    const inputs = [
      x,
      this.external({ name: `${name}.codes`, type: 'uint8', dims: [rows, blocks, blob] }, codes),
      this.externalFloats({ name: `${name}.scales`, dims: [rows * blocks] }, scales),
    ];
    const attributes = { K: cols, N: rows, bits, block_size: BLOCK_VALUES };
    if (!offsets) return this.op('MatMulNBits', { name, inputs, attributes });
    const product = this.op('MatMulNBits', { name: `${name}.product`, inputs, attributes });
    const dims = [blocks, rows];
    const right = this.externalFloats({ name: `${name}.offsets`, dims }, offsets);
    const sums = this.#blockSums(name, x, blocks);
    const shift = this.op('MatMul', { name: `${name}.shift`, inputs: [sums, right] });
    return this.op('Add', { name, inputs: [product, shift] });
  }

  finish(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): BuiltGraph {
    const graph = { name, nodes: this.#nodes, initializers: this.#initializers, inputs, outputs };
    return { graph, files: this.#files };
  }

  /** Sums of each 32 values: [batch, rows, K] to [batch, rows, K / 32]. */
  #blockSums(name: string, x: string, blocks: number): string {
    const shape = this.ints(`${name}.blocks-shape`, [0, 0, blocks, BLOCK_VALUES]);
    const axes = this.ints(`${name}.blocks-axes`, [3]);
    const split = this.op('Reshape', { name: `${name}.blocks`, inputs: [x, shape] });
    return this.op('ReduceSum', {
      name: `${name}.sums`,
      inputs: [split, axes],
      attributes: { keepdims: 0 },
    });
  }
}

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

export const tensorInfo = (
  name: string,
  type: ElementType,
  dims: ValueInfo['dims'],
): ValueInfo => ({ name, type, dims });
