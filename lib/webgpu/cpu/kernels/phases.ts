import {
  ATTN_K,
  ATTN_NORM,
  ATTN_O,
  ATTN_Q,
  ATTN_V,
  BLOCK,
  K_BIAS,
  K_NORM,
  MLP_DOWN,
  MLP_GATE,
  MLP_NORM,
  MLP_UP,
  Q_BIAS,
  Q_NORM,
  Segment,
  TILE,
  Tensor,
  V_BIAS,
  layerTensor,
  range,
  step,
} from './range';
import { prepareInput } from './activations';
import { attend } from './attention';
import { writeKv } from './kv';
import { roundQueries } from './kv-int16';
import { gateRows } from './mlp';
import { addBias, addDelta, normHeads, rmsNorm } from './norm';
import { closeGaps, groupsOf, product } from './product';
import { rotate } from './rope';

/*
 * A layer in phases. Within one, any part of its items may be computed by any thread, in any order:
 * each row, output row or (session, kv head) is computed by one thread exactly as one thread alone
 * would. A phase begins when the one before is complete, and no part of it reads what another writes.
 */
export const INPUT_OF_ATTENTION = 0;
export const QKV = 1;
export const KEYS_VALUES = 2;
export const ATTENTION = 3;
export const ATTENTION_OUT = 4;
export const INPUT_OF_MLP = 5;
export const GATE_UP = 6;
export const GATED = 7;
export const DOWN = 8;
export const HEAD = 9;

/** Rows of a segment whose attention is one item. */
const ATTEND_ROWS = 16;

/** Groups that stay together: a cache line of outputs, and what one-row products take at once. */
const RUN = 4;

/** How many items a phase has: runs of groups of output rows, tiles of rows, (session, kv head)s. */
@inline
export function itemsOf(phase: i32, layer: i32): i32 {
  const r = range();
  if (phase == QKV) {
    const q = runsOf(layerTensor(layer, ATTN_Q));
    return q + runsOf(layerTensor(layer, ATTN_K)) + runsOf(layerTensor(layer, ATTN_V));
  }
  if (phase == ATTENTION) return attentionItems();
  if (phase == ATTENTION_OUT) return runsOf(layerTensor(layer, ATTN_O));
  if (phase == GATE_UP) {
    return runsOf(layerTensor(layer, MLP_GATE)) + runsOf(layerTensor(layer, MLP_UP));
  }
  if (phase == GATED) return gatedByBlocks() ? r.mlp / BLOCK : 1;
  if (phase == DOWN) return runsOf(layerTensor(layer, MLP_DOWN));
  if (phase == HEAD) return runsOf(changetype<Tensor>(r.head));
  return (step().rows + TILE - 1) / TILE;
}

/** What the elements of norms, RoPE and silu cost, in multiply-adds of a product. */
const ELEMENT_WORK: i64 = 32;

/** A phase's work in multiply-adds, roughly: what is worth dealing out. */
export function workOf(phase: i32, layer: i32): i64 {
  const r = range();
  const rows = <i64>step().rows;
  const queries = <i64>r.heads * r.headDim;
  const keys = <i64>r.kvHeads * r.headDim;
  if (phase == QKV) return rows * (queries + 2 * keys) * r.hidden;
  if (phase == KEYS_VALUES) return rows * (queries + keys) * ELEMENT_WORK;
  if (phase == ATTENTION) return 2 * queries * positionsSeen();
  if (phase == ATTENTION_OUT) return rows * queries * r.hidden;
  if (phase == GATE_UP) return 2 * rows * r.hidden * r.mlp;
  if (phase == GATED) return rows * r.mlp * ELEMENT_WORK;
  if (phase == DOWN) return rows * r.hidden * r.mlp;
  if (phase == HEAD) return <i64>step().headRows * r.hidden * changetype<Tensor>(r.head).rows;
  return rows * r.hidden * ELEMENT_WORK;
}

/** Positions that all rows look at, about half a prompt's more than there are. */
function positionsSeen(): i64 {
  let seen: i64 = 0;
  for (let s = 0; s < step().segmentCount; s++) {
    const segment = segmentOf(s);
    seen += <i64>segment.rows * (segment.firstPosition + segment.rows);
  }
  return seen;
}

/** Computes items `from` to `to` of a phase. */
@inline
export function computeItems(phase: i32, layer: i32, from: i32, to: i32): void {
  const r = range();
  const rows = step().rows;
  if (phase == INPUT_OF_ATTENTION) normed(layer, ATTN_NORM, layer > 0, from, to);
  else if (phase == QKV) queriesKeysValues(layer, from, to);
  else if (phase == KEYS_VALUES) keysValues(layer, from, to);
  else if (phase == ATTENTION) attention(layer, from, to);
  else if (phase == ATTENTION_OUT) runs(layerTensor(layer, ATTN_O), rows, r.delta, from, to);
  else if (phase == INPUT_OF_MLP) normed(layer, MLP_NORM, true, from, to);
  else if (phase == GATE_UP) gateUp(layer, from, to);
  else if (phase == GATED) gated(from, to);
  else if (phase == DOWN) runs(layerTensor(layer, MLP_DOWN), rows, r.delta, from, to);
  else runs(changetype<Tensor>(r.head), step().headRows, r.logits, from, to);
}

/** What is left to do when all items of a phase are there: only shapes of odd widths leave any. */
@inline
export function completePhase(phase: i32, layer: i32): void {
  const r = range();
  const rows = step().rows;
  if (phase == QKV) {
    closeGaps(layerTensor(layer, ATTN_Q), rows, r.q);
    closeGaps(layerTensor(layer, ATTN_K), rows, r.k);
    closeGaps(layerTensor(layer, ATTN_V), rows, r.v);
  } else if (phase == ATTENTION) {
    if (!attendedByBlocks()) prepareAll(rows, r.heads * r.headDim);
  } else if (phase == ATTENTION_OUT) closeGaps(layerTensor(layer, ATTN_O), rows, r.delta);
  else if (phase == GATE_UP) {
    closeGaps(layerTensor(layer, MLP_GATE), rows, r.gate);
    closeGaps(layerTensor(layer, MLP_UP), rows, r.up);
  } else if (phase == DOWN) closeGaps(layerTensor(layer, MLP_DOWN), rows, r.delta);
  else if (phase == HEAD) closeGaps(changetype<Tensor>(r.head), step().headRows, r.logits);
}

/** Readies all of `input` [rows × cols] for the next product. */
@inline
export function prepareAll(rows: i32, cols: i32): void {
  prepareInput(rows, cols, 0, rows, 0, cols / BLOCK);
}

/** Tiles of rows: what the last product gave joins the stream, whose norm is the next input. */
function normed(layer: i32, norm: i32, joins: bool, from: i32, to: i32): void {
  const r = range();
  const rows = step().rows;
  const first = from * TILE;
  const end = min(to * TILE, rows);
  if (joins) addDelta(first, end);
  rmsNorm(r.stream, layerTensor(layer, norm).data, first, end);
  prepareInput(rows, r.hidden, first, end, 0, r.hidden / BLOCK);
}

@inline
function runsOf(t: Tensor): i32 {
  return (groupsOf(t) + RUN - 1) / RUN;
}

/** Those of runs `from` to `to` that the matrix has. */
function runs(t: Tensor, rows: i32, out: usize, from: i32, to: i32): void {
  const first = max(from, 0) * RUN;
  const end = min(to * RUN, groupsOf(t));
  if (first < end) product(t, rows, out, first, end);
}

/** Runs of Q, then K, then V. */
function queriesKeysValues(layer: i32, from: i32, to: i32): void {
  const r = range();
  const rows = step().rows;
  const q = runsOf(layerTensor(layer, ATTN_Q));
  const k = q + runsOf(layerTensor(layer, ATTN_K));
  runs(layerTensor(layer, ATTN_Q), rows, r.q, from, to);
  runs(layerTensor(layer, ATTN_K), rows, r.k, from - q, to - q);
  runs(layerTensor(layer, ATTN_V), rows, r.v, from - k, to - k);
}

/** Tiles of rows: what q, k and v still need, and keys and values to their pages. */
function keysValues(layer: i32, from: i32, to: i32): void {
  const r = range();
  const first = from * TILE;
  const end = min(to * TILE, step().rows);
  biasAndNorm(layer, first, end);
  rotate(r.q, first, end, r.heads);
  rotate(r.k, first, end, r.kvHeads);
  for (let s = 0; s < step().segmentCount; s++) {
    const segment = segmentOf(s);
    const begin = max(first - segment.firstRow, 0);
    const stop = min(end - segment.firstRow, segment.rows);
    writeKv(segment, layer, begin, stop);
  }
  if (r.int16) roundQueries(first, end);
}

/** What only some kinds have: biases on q, k and v (qwen2), a norm over each q and k head (qwen3). */
function biasAndNorm(layer: i32, from: i32, to: i32): void {
  const r = range();
  const keys = r.kvHeads * r.headDim;
  const qBias = layerTensor(layer, Q_BIAS).data;
  if (qBias) {
    addBias(r.q, qBias, from, to, r.heads * r.headDim);
    addBias(r.k, layerTensor(layer, K_BIAS).data, from, to, keys);
    addBias(r.v, layerTensor(layer, V_BIAS).data, from, to, keys);
  }
  const qNorm = layerTensor(layer, Q_NORM).data;
  if (qNorm) {
    normHeads(r.q, qNorm, from, to, r.heads);
    normHeads(r.k, layerTensor(layer, K_NORM).data, from, to, r.kvHeads);
  }
}

@inline
function segmentOf(index: i32): Segment {
  return changetype<Segment>(step().segments + <usize>index * offsetof<Segment>());
}

@inline
function piecesOf(segment: Segment): i32 {
  return (segment.rows + ATTEND_ROWS - 1) / ATTEND_ROWS;
}

function attentionItems(): i32 {
  let items = 0;
  for (let s = 0; s < step().segmentCount; s++) items += piecesOf(segmentOf(s));
  return items * range().kvHeads;
}

/** Whether a kv head's queries give whole blocks of the next product's input. */
@inline
function attendedByBlocks(): bool {
  const r = range();
  return ((r.heads / r.kvHeads) * r.headDim) % BLOCK == 0;
}

/**
 * Pieces of segments, by kv head, then segment: what sessions hold of a head mostly lies together, and
 * is read in one go.
 */
function attention(layer: i32, from: i32, to: i32): void {
  let item = 0;
  for (let head = 0; head < range().kvHeads; head++) {
    for (let s = 0; s < step().segmentCount && item < to; s++) {
      const segment = segmentOf(s);
      const end = item + piecesOf(segment);
      for (let i = max(item, from); i < min(end, to); i++) {
        const first = (i - item) * ATTEND_ROWS;
        attendPiece(segment, layer, head, first, min(first + ATTEND_ROWS, segment.rows));
      }
      item = end;
    }
  }
}

function attendPiece(segment: Segment, layer: i32, head: i32, from: i32, to: i32): void {
  const r = range();
  attend(segment, layer, head, from, to);
  if (!attendedByBlocks()) return;
  const blocks = ((r.heads / r.kvHeads) * r.headDim) / BLOCK;
  const first = segment.firstRow + from;
  const end = segment.firstRow + to;
  prepareInput(step().rows, r.heads * r.headDim, first, end, head * blocks, (head + 1) * blocks);
}

/** Whether the mlp's width is dealt out by blocks; else it is one item. */
@inline
function gatedByBlocks(): bool {
  return range().mlp % BLOCK == 0;
}

/** Runs of gate, then up. */
function gateUp(layer: i32, from: i32, to: i32): void {
  const r = range();
  const rows = step().rows;
  const gate = runsOf(layerTensor(layer, MLP_GATE));
  runs(layerTensor(layer, MLP_GATE), rows, r.gate, from, to);
  runs(layerTensor(layer, MLP_UP), rows, r.up, from - gate, to - gate);
}

/** Blocks of the mlp's width: silu(gate) · up, readied for the product that follows. */
function gated(from: i32, to: i32): void {
  const r = range();
  const rows = step().rows;
  if (!gatedByBlocks()) return gateRows(rows, 0, r.mlp);
  gateRows(rows, from * BLOCK, to * BLOCK);
  prepareInput(rows, r.mlp, 0, rows, from, to);
}
