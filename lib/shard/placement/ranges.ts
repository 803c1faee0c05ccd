import type { LayerRange } from '#lib/webgpu/model.ts';

/** Arithmetic of layer ranges; both ends are inclusive. */

export const rangeKey = (range: LayerRange): string => `${range.first}-${range.last}`;

export const sameRange = (a: LayerRange | null, b: LayerRange | null): boolean =>
  a?.first === b?.first && a?.last === b?.last;

export const layerCount = (range: LayerRange): number => range.last - range.first + 1;

export const containsRange = (outer: LayerRange, inner: LayerRange): boolean =>
  outer.first <= inner.first && inner.last <= outer.last;

/** Layers `0 … layers − 1` that none of `held` contains, as the fewest ranges, in order. */
export function gapsOf(held: readonly LayerRange[], layers: number): LayerRange[] {
  const gaps: LayerRange[] = [];
  let next = 0;
  for (const range of [...held].sort((a, b) => a.first - b.first)) {
    if (range.first > next) gaps.push({ first: next, last: Math.min(range.first, layers) - 1 });
    next = Math.max(next, range.last + 1);
  }
  if (next < layers) gaps.push({ first: next, last: layers - 1 });
  return gaps;
}

/** Layers of `range` that none of `held` contains. */
export function missingLayers(range: LayerRange, held: readonly LayerRange[]): number {
  let missing = 0;
  for (let layer = range.first; layer <= range.last; layer += 1) {
    if (!held.some((have) => have.first <= layer && layer <= have.last)) missing += 1;
  }
  return missing;
}

/** Whether the ranges, in order, cover `0 … layers − 1` with no overlap. */
export function isCut(stages: readonly LayerRange[], layers: number): boolean {
  let next = 0;
  for (const stage of stages) {
    if (stage.first !== next || stage.last < stage.first) return false;
    next = stage.last + 1;
  }
  return next === layers;
}
