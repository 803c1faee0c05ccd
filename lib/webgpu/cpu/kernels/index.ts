import { Tensor, range, step } from './range';
import { embedRows } from './embed';
import { addDelta, rmsNorm } from './norm';
import {
  ATTENTION,
  ATTENTION_OUT,
  DOWN,
  GATED,
  GATE_UP,
  HEAD,
  INPUT_OF_ATTENTION,
  INPUT_OF_MLP,
  KEYS_VALUES,
  QKV,
  completePhase,
  computeItems,
  itemsOf,
  prepareAll,
  workOf,
} from './phases';
import { ropeRows } from './rope';
import {
  awaitParts,
  awaitWork,
  firstItem,
  hasHelpers,
  openPhase,
  openedItems,
  openedLayer,
  openedParts,
  openedPhase,
  partDone,
  partsOf,
  takePart,
} from './threads';

export { heapBase, useRange } from './range';
export { pack } from './pack';
export { ropeInit } from './rope';
export { biasLogits, forbidOthers, punishPresent, punishRepeats, sample } from './sampling';
export { closeThreads, endThreads, failThread, joinThreads, useThreads } from './threads';

/**
 * One step of the whole range: `rows` rows in `count` segments at `segments`. Rows come from the
 * token ids at `ids`, or, where that is 0, lie in `stream`; there the result is, too.
 */
export function layers(segments: usize, count: i32, rows: i32, ids: usize): void {
  const s = step();
  s.segments = segments;
  s.segmentCount = count;
  s.rows = rows;
  if (ids) embedRows(ids, rows);
  ropeRows(segments, count);
  const layerCount = range().layers;
  for (let layer = 0; layer < layerCount; layer++) {
    compute(INPUT_OF_ATTENTION, layer);
    compute(QKV, layer);
    compute(KEYS_VALUES, layer);
    compute(ATTENTION, layer);
    compute(ATTENTION_OUT, layer);
    compute(INPUT_OF_MLP, layer);
    compute(GATE_UP, layer);
    compute(GATED, layer);
    compute(DOWN, layer);
  }
  addDelta(0, rows);
}

/** Logits of the `count` rows whose numbers lie at `rowList`. Runs after `layers`. */
export function head(rowList: usize, count: i32): void {
  const r = range();
  const bytes = <usize>r.hidden * 4;
  for (let i: usize = 0; i < <usize>count; i++) {
    memory.copy(r.delta + i * bytes, r.stream + load<usize>(rowList + i * 4) * bytes, bytes);
  }
  rmsNorm(r.delta, changetype<Tensor>(r.finalNorm).data, 0, count);
  prepareAll(count, r.hidden);
  step().headRows = count;
  compute(HEAD, 0);
}

/** All items of a phase, by all threads. */
@inline
function compute(phase: i32, layer: i32): void {
  const items = itemsOf(phase, layer);
  const parts = hasHelpers() ? partsOf(items, workOf(phase, layer)) : 1;
  if (parts == 1) computeItems(phase, layer, 0, items);
  else dealOut(phase, layer, items, parts);
  completePhase(phase, layer);
}

function dealOut(phase: i32, layer: i32, items: i32, parts: i32): void {
  openPhase(phase, layer, items, parts);
  let own = 0;
  for (let part = 0; part >= 0; part = takePart(), own++) {
    computePart(phase, layer, items, part, parts);
  }
  awaitParts(parts - own);
}

function computePart(phase: i32, layer: i32, items: i32, part: i32, parts: i32): void {
  const from = firstItem(items, part, parts);
  computeItems(phase, layer, from, firstItem(items, part + 1, parts));
}

/** A helper thread's life: it returns when the stage ends. */
export function help(): void {
  while (awaitWork()) {
    const part = takePart();
    if (part < 0) continue;
    computePart(openedPhase(), openedLayer(), openedItems(), part, openedParts());
    partDone();
  }
}
