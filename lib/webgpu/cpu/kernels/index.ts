import {
  ATTN_K,
  ATTN_NORM,
  ATTN_O,
  ATTN_Q,
  ATTN_V,
  K_BIAS,
  K_NORM,
  MLP_DOWN,
  MLP_GATE,
  MLP_NORM,
  MLP_UP,
  Q_BIAS,
  Q_NORM,
  Segment,
  Tensor,
  V_BIAS,
  layerTensor,
  range,
} from './range';
import { prepareInput } from './activations';
import { attend } from './attention';
import { embedRows } from './embed';
import { writeKv } from './kv';
import { gateRows } from './mlp';
import { addBias, addDelta, normHeads, rmsNorm } from './norm';
import { product } from './product';
import { ropeRows, rotate } from './rope';

export { heapBase, useRange } from './range';
export { pack } from './pack';
export { ropeInit } from './rope';

/**
 * One step of the whole range: `rows` rows in `count` segments at `segments`. Rows come from the
 * token ids at `ids`, or, where that is 0, lie in `stream`; there the result is, too.
 */
export function layers(segments: usize, count: i32, rows: i32, ids: usize): void {
  if (ids) embedRows(ids, rows);
  ropeRows(segments, count);
  const layerCount = range().layers;
  for (let layer = 0; layer < layerCount; layer++) {
    attentionBlock(layer, segments, count, rows);
    mlpBlock(layer, rows);
  }
}

/** Logits of the `count` rows whose numbers lie at `rowList`. Runs after `layers`. */
export function head(rowList: usize, count: i32): void {
  const r = range();
  const bytes = <usize>r.hidden * 4;
  const finalNorm = changetype<Tensor>(r.finalNorm);
  for (let i: usize = 0; i < <usize>count; i++) {
    memory.copy(r.delta + i * bytes, r.stream + load<usize>(rowList + i * 4) * bytes, bytes);
  }
  rmsNorm(r.delta, finalNorm.data, count);
  prepareInput(count, r.hidden);
  product(changetype<Tensor>(r.head), count, r.logits);
}

function attentionBlock(layer: i32, segments: usize, count: i32, rows: i32): void {
  const r = range();
  rmsNorm(r.stream, layerTensor(layer, ATTN_NORM).data, rows);
  prepareInput(rows, r.hidden);
  product(layerTensor(layer, ATTN_Q), rows, r.q);
  product(layerTensor(layer, ATTN_K), rows, r.k);
  product(layerTensor(layer, ATTN_V), rows, r.v);
  biasAndNorm(layer, rows);
  rotate(r.q, rows, r.heads);
  rotate(r.k, rows, r.kvHeads);
  for (let s = 0; s < count; s++) {
    const segment = changetype<Segment>(segments + <usize>s * offsetof<Segment>());
    writeKv(segment, layer);
    attend(segment, layer);
  }
  prepareInput(rows, r.heads * r.headDim);
  product(layerTensor(layer, ATTN_O), rows, r.delta);
  addDelta(rows);
}

/** What only some kinds have: biases on q, k and v (qwen2), a norm over each q and k head (qwen3). */
function biasAndNorm(layer: i32, rows: i32): void {
  const r = range();
  const keys = r.kvHeads * r.headDim;
  const qBias = layerTensor(layer, Q_BIAS).data;
  if (qBias) {
    addBias(r.q, qBias, rows, r.heads * r.headDim);
    addBias(r.k, layerTensor(layer, K_BIAS).data, rows, keys);
    addBias(r.v, layerTensor(layer, V_BIAS).data, rows, keys);
  }
  const qNorm = layerTensor(layer, Q_NORM).data;
  if (qNorm) {
    normHeads(r.q, qNorm, rows, r.heads);
    normHeads(r.k, layerTensor(layer, K_NORM).data, rows, r.kvHeads);
  }
}

function mlpBlock(layer: i32, rows: i32): void {
  const r = range();
  rmsNorm(r.stream, layerTensor(layer, MLP_NORM).data, rows);
  prepareInput(rows, r.hidden);
  product(layerTensor(layer, MLP_GATE), rows, r.gate);
  product(layerTensor(layer, MLP_UP), rows, r.up);
  gateRows(rows);
  prepareInput(rows, r.mlp);
  product(layerTensor(layer, MLP_DOWN), rows, r.delta);
  addDelta(rows);
}
