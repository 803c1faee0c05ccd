import type { LayerRange } from '#lib/webgpu/model.ts';

/** One layer of the model, as the strip shows it. */
export type CellKind = 'held' | 'loading' | 'take-over' | 'elsewhere';

interface StripInput {
  readonly layersTotal: number;
  readonly range: LayerRange | null;
  readonly takeOver: LayerRange | null;
  /** Share of the range that is in memory, 0 … 1. */
  readonly loaded: number;
}

const within = (range: LayerRange | null, layer: number): boolean =>
  range !== null && layer >= range.first && layer <= range.last;

/** Cells in order of layers; those of the own range fill from the first as bytes come in. */
export function layerCells({ layersTotal, range, takeOver, loaded }: StripInput): CellKind[] {
  return Array.from({ length: layersTotal }, (_, layer) => {
    if (range && within(range, layer)) {
      const filled = Math.floor(loaded * (range.last - range.first + 1) + 1e-9);
      return layer - range.first < filled ? 'held' : 'loading';
    }
    return within(takeOver, layer) ? 'take-over' : 'elsewhere';
  });
}
