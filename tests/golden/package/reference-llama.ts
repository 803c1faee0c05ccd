import { must } from '#lib/kernel/assert.ts';
import type { ModelShape, PartKey, TensorName, WeightSource } from '#lib/webgpu/model.ts';
import { dequantise } from './dequantise.ts';

/**
 * A model of any kind in plain double arithmetic, slow and obvious: the oracle for tiny packages.
 * @returns logits of every position, [ids][vocab].
 */
export async function referenceLogits(
  model: { readonly shape: ModelShape; readonly weights: WeightSource },
  ids: readonly number[],
): Promise<number[][]> {
  const { shape, weights } = model;
  const embedding = await loadPart(weights, 'embedding');
  let rows = ids.map((id) => row(embedding.get('embedding'), id, shape.hidden));
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const tensor = await loadPart(weights, `layer/${layer}`);
    rows = addRows(rows, attention(shape, tensor, rows));
    rows = addRows(rows, mlp(shape, tensor, rows));
  }
  const norm = (await loadPart(weights, 'final-norm')).get('final-norm');
  const head = shape.tiedEmbeddings
    ? embedding.get('embedding')
    : (await loadPart(weights, 'head')).get('head');
  return rows.map((x) => matVec(head, rmsNorm(shape, norm, x)));
}

type Vector = readonly number[];
interface Tensors {
  has(name: TensorName): boolean;
  get(name: TensorName): Float32Array;
}

async function loadPart(weights: WeightSource, key: PartKey): Promise<Tensors> {
  const values = new Map(
    [...(await weights.part(key))].map(([name, tensor]) => [name, dequantise(tensor)] as const),
  );
  return {
    has: (name) => values.has(name),
    get: (name) => must(values.get(name), `part ${key} has ${name}`),
  };
}

const row = (matrix: Float32Array, index: number, cols: number): Vector =>
  [...matrix.subarray(index * cols, (index + 1) * cols)];

const addRows = (a: readonly Vector[], b: readonly Vector[]): Vector[] =>
  a.map((x, r) => x.map((value, i) => value + must(b[r]?.[i], 'same rows')));

function matVec(matrix: Float32Array, x: Vector): number[] {
  const out: number[] = [];
  for (let start = 0; start < matrix.length; start += x.length) {
    let sum = 0;
    for (let i = 0; i < x.length; i += 1) sum += (matrix[start + i] ?? 0) * (x[i] ?? 0);
    out.push(sum);
  }
  return out;
}

function rmsNorm(shape: ModelShape, weight: Float32Array, x: Vector): Vector {
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(square + shape.rmsEps);
  return x.map((value, i) => value * scale * (weight[i] ?? 0));
}

function mlp(shape: ModelShape, tensor: Tensors, rows: readonly Vector[]): Vector[] {
  return rows.map((x) => {
    const y = rmsNorm(shape, tensor.get('mlp-norm'), x);
    const up = matVec(tensor.get('mlp-up'), y);
    const gated = matVec(tensor.get('mlp-gate'), y).map(
      (gate, i) => (gate / (1 + Math.exp(-gate))) * (up[i] ?? 0),
    );
    return matVec(tensor.get('mlp-down'), gated);
  });
}

function attention(shape: ModelShape, tensor: Tensors, rows: readonly Vector[]): Vector[] {
  const { heads, kvHeads, headDim } = shape;
  const normed = rows.map((x) => rmsNorm(shape, tensor.get('attn-norm'), x));
  const project = (name: 'attn-q' | 'attn-k' | 'attn-v') =>
    normed.map((x) => biased(tensor, `${name}-bias`, matVec(tensor.get(name), x)));
  const q = project('attn-q')
    .map((x) => headNorm(shape, tensor, { name: 'attn-q-norm', x }))
    .map((x, position) => rotate(shape, x, position));
  const k = project('attn-k')
    .map((x) => headNorm(shape, tensor, { name: 'attn-k-norm', x }))
    .map((x, position) => rotate(shape, x, position));
  const v = project('attn-v');
  const headOf = (x: Vector | undefined, head: number) =>
    must(x, 'a row').slice(head * headDim, (head + 1) * headDim);
  return q.map((query, position) => {
    const mixed: number[] = [];
    for (let head = 0; head < heads; head += 1) {
      const kv = Math.floor((head * kvHeads) / heads);
      const scores = k.slice(0, position + 1).map((key) => dot(headOf(query, head), headOf(key, kv)));
      const weights = softmax(scores.map((score) => score / Math.sqrt(headDim)));
      for (let i = 0; i < headDim; i += 1) {
        mixed.push(weights.reduce((sum, w, p) => sum + w * (v[p]?.[kv * headDim + i] ?? 0), 0));
      }
    }
    return matVec(tensor.get('attn-o'), mixed);
  });
}

/** With the bias that some kinds have. */
function biased(tensor: Tensors, name: TensorName, x: Vector): Vector {
  if (!tensor.has(name)) return x;
  const bias = tensor.get(name);
  return x.map((value, i) => value + (bias[i] ?? NaN));
}

/** Each head normed by itself, in the kinds that do so. */
function headNorm(
  shape: ModelShape,
  tensor: Tensors,
  { name, x }: { name: 'attn-q-norm' | 'attn-k-norm'; x: Vector },
): Vector {
  if (!tensor.has(name)) return x;
  const heads = Array.from({ length: x.length / shape.headDim }, (_, head) =>
    x.slice(head * shape.headDim, (head + 1) * shape.headDim),
  );
  return heads.flatMap((head) => rmsNorm(shape, tensor.get(name), head));
}

const dot = (a: Vector, b: Vector): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);

function softmax(scores: Vector): Vector {
  const max = Math.max(...scores);
  const exps = scores.map((score) => Math.exp(score - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((value) => value / sum);
}

/** Half-split RoPE: value i turns with value i + D/2 of its head. */
function rotate(shape: ModelShape, x: Vector, position: number): Vector {
  const half = shape.headDim / 2;
  return x.map((value, index) => {
    const within = index % shape.headDim;
    const angle = position * frequency(shape, within % half);
    const partner = within < half ? -(x[index + half] ?? 0) : (x[index - half] ?? 0);
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

/** transformers `_compute_llama3_parameters`. */
function frequency({ ropeTheta, headDim, ropeScaling }: ModelShape, i: number): number {
  const plain = ropeTheta ** ((-2 * i) / headDim);
  if (!ropeScaling) return plain;
  const { factor, lowFreqFactor, highFreqFactor, originalContext } = ropeScaling;
  const turns = (originalContext * plain) / (2 * Math.PI);
  if (turns < lowFreqFactor) return plain / factor;
  if (turns > highFreqFactor) return plain;
  const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return (1 - smooth) * (plain / factor) + smooth * plain;
}
